import { execFileSync } from "node:child_process";
import { existsSync, readFileSync, realpathSync } from "node:fs";
import { basename, delimiter, dirname, join, sep } from "node:path";
import { fileURLToPath } from "node:url";
import { z } from "zod";
import { messageOf, PilinkError } from "../protocol/errors.ts";

/** How to run the background process. */
export interface BrokerCommand {
  command: string;
  args: string[];
  /** What the runtime needs in the environment besides what is passed on anyway. */
  env: Record<string, string>;
}

/** What the decision depends on; {@link ownRuntime} gives it for this process. */
export interface Runtime {
  execPath: string;
  /** `process.versions.node` of this process. */
  nodeVersion: string;
  bun: boolean;
  /** True in a Node single-executable application, where `execPath` is that application. */
  singleExecutable: boolean;
  /** The `PATH` to look for `node` on. */
  path: string;
  /** This file, as it was loaded: the TypeScript or the compiled one. */
  file: string;
}

const packageSchema = z.object({ name: z.literal("pilink-mqtt"), version: z.string() });

// The first Node 22 that runs TypeScript without a flag.
const typeStrippingNode = [22, 18] as const;

// What a broker makes for a packet lives no longer than the packet. With V8's own size of 16 MB and more it is collected so
// rarely that 400 clients take 100 MB instead of 40, and neither a message nor a thousand of them is faster for it.
const smallHeap = "--max-semi-space-size=2";

// With glibc's own arena for each thread what a burst of packets took stays with the process: 25 MB with 1,000 clients.
const oneArena = { MALLOC_ARENA_MAX: "1" };

/** The runtime of this process. */
export function ownRuntime(): Runtime {
  return {
    execPath: process.execPath,
    nodeVersion: process.versions.node,
    bun: process.versions.bun !== undefined,
    singleExecutable: isSingleExecutable(),
    path: process.env.PATH ?? "",
    file: fileURLToPath(import.meta.url),
  };
}

/**
 * Decides which program runs the managed broker, and from which file.
 *
 * @param runtime see {@link Runtime}
 * @throws PilinkError `broker-not-started` where there is no Node to run it, or no file that this Node can run
 */
export function brokerCommand(runtime: Runtime = ownRuntime()): BrokerCommand {
  if (runtime.bun) {
    // A program compiled by Bun is itself again when it is started, unless told to be Bun; Bun itself ignores it.
    return { command: runtime.execPath, args: [entryFile(runtime, true)], env: { BUN_BE_BUN: "1" } };
  }
  const node = runtime.singleExecutable || !isNode(runtime.execPath) ? findNode(runtime) : runtime;
  const entry = entryFile(runtime, canStripTypes(node.nodeVersion));
  const quiet = entry.endsWith(".ts") ? ["--disable-warning=ExperimentalWarning"] : [];
  return { command: node.execPath, args: [smallHeap, ...quiet, entry], env: oneArena };
}

/**
 * The version of this package.
 *
 * @throws PilinkError `broker-not-started` where its package.json is not where it belongs
 */
export function packageVersion(): string {
  return readPackage(dirname(fileURLToPath(import.meta.url))).version;
}

function entryFile(runtime: Runtime, stripsTypes: boolean): string {
  // Where Node goes by as well, also for a clone that `npm link` put below node_modules.
  const folder = realpathSync(dirname(runtime.file));
  const isBuilt = !runtime.file.endsWith(".ts");
  // Node refuses to strip types below node_modules; Bun does not care.
  const installed = folder.split(sep).includes("node_modules") && !runtime.bun;
  if (!isBuilt && stripsTypes && !installed) return join(folder, "main.ts");
  const built = join(readPackage(folder).folder, "dist", "bundle", "broker.js");
  if (existsSync(built)) return built;
  const reason = isBuilt ? "" : `Node ${runtime.nodeVersion} cannot run ${join(folder, "main.ts")}, and `;
  throw new PilinkError(
    "broker-not-started",
    `The managed broker cannot be started: ${reason}${built} is missing. Install the package again, or run ` +
      `"npm run build" in a clone, or use Node 22.19 or newer.`,
    { value: built },
  );
}

/** The nearest folder above that is this package's. */
function readPackage(start: string): { folder: string; version: string } {
  for (let folder = start; ; folder = dirname(folder)) {
    const path = join(folder, "package.json");
    if (existsSync(path)) {
      const found = packageSchema.safeParse(JSON.parse(readFileSync(path, "utf8")));
      if (found.success) return { folder, version: found.data.version };
    }
    if (folder === dirname(folder)) {
      throw new PilinkError("broker-not-started", `No package.json of pilink-mqtt above ${start}. Install it again.`, {
        value: start,
      });
    }
  }
}

function findNode(runtime: Runtime): { execPath: string; nodeVersion: string } {
  const name = process.platform === "win32" ? "node.exe" : "node";
  const tried: string[] = [];
  for (const folder of runtime.path.split(delimiter)) {
    const execPath = join(folder, name);
    if (folder === "" || !existsSync(execPath)) continue;
    try {
      const nodeVersion = execFileSync(execPath, ["-p", "process.versions.node"], {
        encoding: "utf8",
        timeout: 5_000,
        stdio: ["ignore", "pipe", "ignore"],
      }).trim();
      if (canStripTypes(nodeVersion)) return { execPath, nodeVersion };
      tried.push(`${execPath} is version ${nodeVersion}`);
    } catch (error) {
      tried.push(`${execPath}: ${messageOf(error)}`);
    }
  }
  throw new PilinkError(
    "broker-not-started",
    `The managed broker needs Node 22.19 or newer: ${runtime.execPath} is not Node, and there is none on the PATH` +
      `${tried.length > 0 ? ` (${tried.join("; ")})` : ""}. Install Node, or name a running broker with --url.`,
    { value: runtime.execPath },
  );
}

function canStripTypes(version: string): boolean {
  const [major = 0, minor = 0] = version.split(".").map(Number);
  const [wantedMajor, wantedMinor] = typeStrippingNode;
  return major > wantedMajor || (major === wantedMajor && minor >= wantedMinor);
}

function isNode(execPath: string): boolean {
  return /^node(js)?(\d+)?(\.exe)?$/i.test(basename(execPath));
}

function isSingleExecutable(): boolean {
  // Bun has no such module, and says so by undefined.
  return process.getBuiltinModule("node:sea")?.isSea() ?? false;
}
