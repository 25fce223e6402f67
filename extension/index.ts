import { existsSync, readFileSync, realpathSync } from "node:fs";
import { dirname, join, sep } from "node:path";
import { fileURLToPath } from "node:url";
import type { ExtensionAPI } from "@earendil-works/pi-coding-agent";

// This file is all that every Pi loads in the way Pi loads TypeScript, which costs a millisecond a file: what it needs
// of others stands here.

const ownPath = fileURLToPath(import.meta.url);

type Extension = typeof import("./pilink.ts");

const { pilink } = await loadExtension();

/** What Pi calls: see {@link pilink}. */
export default function start(pi: ExtensionAPI): void {
  pilink(pi, ownPath);
}

/**
 * Loads the extension: an installed one from its bundle, which Node loads several times faster. Whatever else there
 * is (a checkout, a clone, another runtime, a single executable) has its sources.
 *
 * @throws Error where the bundle is there and cannot be loaded
 */
async function loadExtension(): Promise<Extension> {
  const bundle = isPlainNode() ? findBundle() : undefined;
  if (bundle === undefined) return await import("./pilink.ts");
  // A bundle is loaded by Node itself, which does not know the packages that Pi supplies.
  Reflect.set(globalThis, Symbol.for("pilink-mqtt.host-packages"), (name: string) => import(name));
  const loaded: unknown = await import(bundle).catch((cause: unknown) => {
    throw new Error(
      `pilink cannot be loaded from ${bundle}: ${String(cause).split("\n", 1)}. Install pilink-mqtt again.`,
      { cause },
    );
  });
  if (isExtension(loaded)) return loaded;
  throw new Error(`pilink cannot be loaded from ${bundle}: it is another file. Install pilink-mqtt again.`);
}

/** The bundle of an installed package; a clone may have one that is not of its sources. */
function findBundle(): string | undefined {
  const root = dirname(dirname(realpathSync(ownPath)));
  if (!root.split(sep).includes("node_modules")) return undefined;
  const folder = join(root, "dist", "bundle");
  // Node keeps what it has loaded by its name, also over /reload: so the name says what is in it.
  const list = join(folder, "extension.json");
  if (!existsSync(list)) return undefined;
  const { file }: { file?: unknown } = JSON.parse(readFileSync(list, "utf8"));
  return join(folder, `${file}`);
}

function isPlainNode(): boolean {
  return process.versions.bun === undefined && process.getBuiltinModule("node:sea")?.isSea() !== true;
}

function isExtension(loaded: unknown): loaded is Extension {
  return typeof loaded === "object" && loaded !== null && "pilink" in loaded;
}
