import { type ChildProcess, spawn } from "node:child_process";
import { closeSync, fstatSync, ftruncateSync, openSync, readSync } from "node:fs";
import { join } from "node:path";
import { z } from "zod";
import { formatAddress } from "../protocol/address.ts";
import { messageOf, PilinkError, quoteValue } from "../protocol/errors.ts";
import { ensureFolder, unusable } from "../store/folder.ts";
import { type BackgroundArguments, wsRefusedCode } from "./background.ts";
import { type BrokerRecord, brokerRecordSchema } from "./record.ts";
import { brokerFolder } from "./record-file.ts";
import { brokerCommand } from "./runtime.ts";

// What a background process needs from the environment. Everything else stays here: passwords and API keys, which
// a process that outlives this one has no business with, and NODE_OPTIONS, which were meant for this one.
const passedVariables = [
  "PATH",
  "HOME",
  "USERPROFILE",
  "TMPDIR",
  "TEMP",
  "TMP",
  "LANG",
  "LC_ALL",
  "TZ",
  "LD_LIBRARY_PATH",
  "SystemRoot",
  "SystemDrive",
  "windir",
];

/** The one line that the background process prints: that it is ready, or why it could not start. */
const readyLineSchema = z.discriminatedUnion("ready", [
  z.object({ ready: z.literal(true), record: brokerRecordSchema }),
  z.object({ ready: z.literal(false), code: z.string(), message: z.string() }),
]);

/** See {@link readyLineSchema}. */
export type ReadyLine = z.infer<typeof readyLineSchema>;

const logLimitBytes = 256 * 1024;
const logTailBytes = 2_000;
const readyLimitBytes = 64 * 1024;

/** A managed broker that has just been started, or why there is none. */
export type StartOutcome =
  | { kind: "started"; record: BrokerRecord }
  /** The address was taken in the meantime. */
  | { kind: "address-in-use" }
  /** It could not listen for MQTT over WebSocket; `message` says why. */
  | { kind: "ws-refused"; message: string };

/**
 * Starts the managed broker as a process of its own, which goes on when this one ends, and waits until it is ready.
 * The caller holds the lock.
 *
 * @param options what the broker is to be, and how long it may take to be ready in ms (15 s by default)
 * @throws PilinkError `broker-not-started` where it could not, `state-unusable` where its folder cannot be used
 */
export async function startBackground(
  options: BackgroundArguments & { readyTimeoutMs?: number },
): Promise<StartOutcome> {
  const { readyTimeoutMs = 15_000, ...argument } = options;
  ensureFolder(options.home);
  ensureFolder(brokerFolder(options.home));
  const cache = join(brokerFolder(options.home), "compiled");
  ensureFolder(cache);
  const log = openLog(options.home);
  try {
    const { command, args, env } = brokerCommand();
    const child = spawn(command, [...args, JSON.stringify(argument)], {
      // A session and process group of its own: neither the terminal's Ctrl+C and Ctrl+Z nor its closing reach it.
      detached: true,
      windowsHide: true,
      // Not the folder where the agent works, which could otherwise not be unmounted or, on Windows, removed.
      cwd: options.home,
      env: {
        ...pickEnvironment(),
        // Compiled code, and JavaScript made of TypeScript, are kept for the next start: it is faster by a third and
        // smaller by 20 MB. In our own folder: what is in a shared one, others could have put there.
        NODE_COMPILE_CACHE: cache,
        ...env,
      },
      stdio: ["ignore", "pipe", log.descriptor],
    });
    return await awaitReady(child, options, readyTimeoutMs, log);
  } finally {
    closeSync(log.descriptor);
  }
}

async function awaitReady(
  child: ChildProcess,
  options: BackgroundArguments,
  readyTimeoutMs: number,
  log: Log,
): Promise<StartOutcome> {
  const where = options.port === 0 ? `a free port of ${options.host}` : formatAddress(options.host, options.port);
  const fail = (reason: string, cause?: unknown) =>
    new PilinkError(
      "broker-not-started",
      `The managed broker could not be started on ${where}: ${reason} ${wayOut(options)}`,
      { value: where, ...(cause === undefined ? {} : { cause }) },
    );
  try {
    const line = await readFirstLine(child, readyTimeoutMs);
    const parsed = line === undefined ? undefined : readyLineSchema.safeParse(parseJson(line)).data;
    if (parsed === undefined) {
      child.kill("SIGKILL");
      const state = line === undefined ? "it ended, or was not ready in time" : `it said ${quoteValue(line)}`;
      throw fail(`${state}.${log.tail()}`);
    }
    if (parsed.ready) return { kind: "started", record: parsed.record };
    if (parsed.code === "EADDRINUSE") return { kind: "address-in-use" };
    if (parsed.code === wsRefusedCode) return { kind: "ws-refused", message: parsed.message };
    throw fail(`${parsed.message}.`);
  } catch (error) {
    throw error instanceof PilinkError ? error : fail(`${messageOf(error)}.`, error);
  } finally {
    child.removeAllListeners();
    // A spawn that failed, or a kill of one that has ended, has nothing more to tell.
    child.on("error", () => {});
    child.stdout?.destroy();
    child.unref();
  }
}

/** The first line of a child's output; undefined where it ends or the time is over before there is one. */
function readFirstLine(child: ChildProcess, timeoutMs: number): Promise<string | undefined> {
  return new Promise((resolve, reject) => {
    let text = "";
    const timer = setTimeout(() => resolve(undefined), timeoutMs);
    const finish = (line: string | undefined) => {
      clearTimeout(timer);
      resolve(line);
    };
    child.once("error", (error) => {
      clearTimeout(timer);
      reject(error);
    });
    child.stdout?.setEncoding("utf8").on("data", (chunk: string) => {
      text += chunk;
      const end = text.indexOf("\n");
      if (end >= 0) finish(text.slice(0, end));
      else if (text.length > readyLimitBytes) finish(text);
    });
    // Not "exit": output may still be on its way then.
    child.once("close", () => finish(undefined));
  });
}

interface Log {
  descriptor: number;
  /** What was written since this start, as the end of an error message. */
  tail(): string;
}

function openLog(home: string): Log {
  const path = join(brokerFolder(home), "broker.log");
  let descriptor: number;
  try {
    descriptor = openSync(path, "a+", 0o600);
    if (fstatSync(descriptor).size > logLimitBytes) ftruncateSync(descriptor);
  } catch (cause) {
    throw unusable(path, cause);
  }
  const start = fstatSync(descriptor).size;
  const tail = () => {
    const end = fstatSync(descriptor).size;
    const from = Math.max(start, end - logTailBytes);
    const buffer = Buffer.alloc(Math.max(0, end - from));
    const length = readSync(descriptor, buffer, 0, buffer.length, from);
    const text = buffer.toString("utf8", 0, length).trim();
    return text === "" ? ` (${path} says nothing.)` : ` ${path} ends with: ${text}`;
  };
  return { descriptor, tail };
}

function wayOut(options: BackgroundArguments): string {
  return options.port === 0
    ? "Start a broker by hand and name it with --url."
    : `Take another port with --url ${formatAddress(options.host, options.port === 1883 ? 1884 : 1883)}, or name a running broker.`;
}

function pickEnvironment(): Record<string, string> {
  return Object.fromEntries(
    passedVariables.flatMap((name) => {
      const value = process.env[name];
      return value === undefined ? [] : [[name, value]];
    }),
  );
}

function parseJson(line: string): unknown {
  try {
    return JSON.parse(line);
  } catch {
    return undefined;
  }
}
