import { type ChildProcess, spawn } from "node:child_process";
import { closeSync, fstatSync, ftruncateSync, openSync } from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { type ErrorCode, errorCodes, PilinkError } from "../../protocol/errors.ts";
import { ensureFolder, unusable } from "../../store/folder.ts";
import { type BackgroundPlan, type StartLine, startLineSchema } from "./plan.ts";
import { backgroundFolder } from "./record.ts";

const logLimitBytes = 256 * 1024;

/**
 * Starts a background peer as a process of its own, which goes on when this one ends, and waits until it is in its
 * network.
 *
 * @param onWaiting told when entering takes longer than a moment
 * @param signal ends the attempt
 * @returns the id of its record, and what the person should hear
 * @throws PilinkError what entering throws, `cancelled`, `state-unusable`
 */
export async function startBackground(
  plan: BackgroundPlan,
  onWaiting: (reason: string, forMs: number) => void,
  signal: AbortSignal,
): Promise<{ id: string; notes: string[] }> {
  ensureFolder(plan.home);
  ensureFolder(backgroundFolder(plan.home));
  const logPath = join(backgroundFolder(plan.home), "background.log");
  const log = openLog(logPath);
  let child: ChildProcess;
  try {
    child = spawn(process.execPath, [...nodeOptions(), mainFile()], {
      // A session and process group of its own: neither the terminal's Ctrl+C and Ctrl+Z nor its closing reach it.
      detached: true,
      windowsHide: true,
      // Not the folder where the agent works, which could otherwise not be unmounted or, on Windows, removed.
      cwd: plan.home,
      env: ownEnvironment(),
      stdio: ["pipe", "pipe", log],
    });
  } finally {
    closeSync(log);
  }
  const stop = () => child.kill("SIGTERM");
  signal.addEventListener("abort", stop);
  try {
    // A child that ended before it read it says why on its output.
    child.stdin?.on("error", () => undefined);
    child.stdin?.end(`${JSON.stringify(plan)}\n`);
    for await (const line of linesOf(child)) {
      if (line.state === "waiting") onWaiting(line.reason, line.forMs);
      else if (line.state === "ready") return { id: line.id, notes: line.notes };
      else throw isErrorCode(line.code) ? new PilinkError(line.code, line.message) : new Error(line.message);
    }
    if (signal.aborted) throw new PilinkError("cancelled", "The command was interrupted; nothing was joined.");
    throw new Error(`The background peer ended before it was in its network. ${logPath} may say why.`);
  } finally {
    signal.removeEventListener("abort", stop);
    child.removeAllListeners();
    // A spawn that failed, or a kill of one that has ended, has nothing more to tell.
    child.on("error", () => undefined);
    child.stdin?.destroy();
    child.stdout?.destroy();
    child.unref();
  }
}

async function* linesOf(child: ChildProcess): AsyncGenerator<StartLine> {
  if (child.stdout === null) return;
  const failed = new Promise<never>((_resolve, reject) => child.once("error", reject));
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  for (;;) {
    const { value, done } = await Promise.race([lines.next(), failed]);
    if (done === true) return;
    yield startLineSchema.parse(JSON.parse(value));
  }
}

/** This very program: what runs this file can run that one. */
function mainFile(): string {
  return fileURLToPath(new URL(import.meta.url.endsWith(".ts") ? "main.ts" : "background.js", import.meta.url));
}

function nodeOptions(): string[] {
  return process.versions.bun === undefined && mainFile().endsWith(".ts")
    ? ["--disable-warning=ExperimentalWarning"]
    : [];
}

/** Its hooks run in the person's environment; secrets come on its standard input, and NODE_OPTIONS were meant for this process. */
function ownEnvironment(): NodeJS.ProcessEnv {
  const { PILINK_PASSWORD: _password, PILINK_WEBHOOK_SECRET: _secret, NODE_OPTIONS: _options, ...rest } = process.env;
  return rest;
}

function openLog(path: string): number {
  try {
    const log = openSync(path, "a", 0o600);
    if (fstatSync(log).size > logLimitBytes) ftruncateSync(log);
    return log;
  } catch (cause) {
    throw unusable(path, cause);
  }
}

function isErrorCode(code: string | null): code is ErrorCode {
  return code !== null && Object.hasOwn(errorCodes, code);
}
