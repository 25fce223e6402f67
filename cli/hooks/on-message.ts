import { spawn } from "node:child_process";
import { existsSync } from "node:fs";
import type { InboxEntry, Peer } from "../../peer/peer.ts";
import { bodyText } from "../../protocol/frame.ts";

/** How long a command may take, in milliseconds. */
export const commandTimeoutMs = 60_000;
const killAfterMs = 2_000;
// Linux takes no variable of 128 KiB or more.
const variableLimitBytes = 100_000;
const outputLimit = 400;

/**
 * Runs a person's command line for one message, as it was given. The message is on its standard input, as the envelope
 * that arrived, and in variables of its environment; it is never part of the line.
 *
 * @param line for the shell
 * @param folder where it runs
 * @param peer which a `pilink` in the line uses then
 * @param signal ends it
 * @throws Error what went wrong: its exit code and the end of what it wrote to standard error, or that it took too long
 */
export async function runForMessage(
  line: string,
  folder: string,
  entry: InboxEntry,
  peer: Pick<Peer, "network" | "name">,
  signal: AbortSignal,
): Promise<void> {
  const isWindows = process.platform === "win32";
  const child = spawn(line, {
    shell: true,
    // A folder that was removed meanwhile is no reason to say nothing.
    ...(existsSync(folder) ? { cwd: folder } : {}),
    // A process group of its own, so that everything it started ends with it.
    detached: !isWindows,
    windowsHide: true,
    env: { ...ownEnvironment(), ...variablesOf(entry, peer) },
    stdio: ["pipe", "ignore", "pipe"],
  });
  let told = "";
  child.stderr.setEncoding("utf8").on("data", (chunk: string) => {
    told = (told + chunk).slice(-outputLimit);
  });
  // Not every command reads what it is given.
  child.stdin.on("error", () => undefined);
  child.stdin.end(JSON.stringify(envelopeOf(entry)));

  let reason: string | undefined;
  let killing: NodeJS.Timeout | undefined;
  const stop = (why: string) => {
    reason ??= why;
    endGroup(child.pid, "SIGTERM");
    killing ??= setTimeout(() => endGroup(child.pid, "SIGKILL"), killAfterMs);
  };
  const onEnding = () => stop("the background peer has ended");
  const timer = setTimeout(() => stop(`it took longer than ${commandTimeoutMs / 1_000} s`), commandTimeoutMs);
  signal.addEventListener("abort", onEnding);
  if (signal.aborted) onEnding();
  try {
    const { code, signal: by } = await new Promise<{ code: number | null; signal: string | null }>(
      (resolve, reject) => {
        child.once("error", reject);
        // Not "close": what it started in the background may hold its pipe for as long as it likes.
        child.once("exit", (code, by) => resolve({ code, signal: by }));
      },
    );
    if (reason !== undefined) throw new Error(`the command was ended: ${reason}`);
    if (code !== 0) throw new Error(`the command ended with ${by ?? code}${told === "" ? "" : `: ${told.trim()}`}`);
  } finally {
    clearTimeout(timer);
    clearTimeout(killing);
    signal.removeEventListener("abort", onEnding);
    child.stderr.destroy();
  }
}

/** The envelope as it arrived, with what the receiver knows of it. */
function envelopeOf({ envelope, id, from, verified, late }: InboxEntry): object {
  return { ...envelope, id, from: from ?? null, verified, late };
}

function variablesOf(entry: InboxEntry, { network, name }: Pick<Peer, "network" | "name">): Record<string, string> {
  const body = bodyText(entry.body);
  return {
    PILINK_NETWORK: network,
    PILINK_NAME: name,
    PILINK_ID: entry.id,
    PILINK_FROM: entry.from ?? "",
    PILINK_VERIFIED: entry.verified ? "1" : "0",
    PILINK_TYPE: entry.type,
    PILINK_RE: entry.re ?? "",
    // Standard input has it at any size.
    ...(Buffer.byteLength(body) > variableLimitBytes ? {} : { PILINK_BODY: body }),
  };
}

/** The environment of this process without what a command has no need of: it reaches the network through this peer. */
function ownEnvironment(): NodeJS.ProcessEnv {
  const { PILINK_PASSWORD: _password, PILINK_WEBHOOK_SECRET: _secret, PILINK_BODY: _body, ...rest } = process.env;
  return rest;
}

function endGroup(pid: number | undefined, signal: NodeJS.Signals): void {
  if (pid === undefined) return;
  try {
    process.kill(process.platform === "win32" ? pid : -pid, signal);
  } catch {
    // It ended by itself in the meantime.
  }
}
