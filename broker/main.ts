import { writeSync } from "node:fs";
import module from "node:module";
import { setFlagsFromString } from "node:v8";
import { messageOf } from "../protocol/errors.ts";
import { ensureFolder } from "../store/folder.ts";
import { dropNumberCache } from "../store/number-cache.ts";
import { ownIdentity } from "../store/process.ts";
import { type BackgroundArguments, parseBackgroundArguments } from "./background.ts";
import { serveControl } from "./control-server.ts";
import { startEmbeddedBroker } from "./embedded.ts";
import type { BrokerRecord } from "./record.ts";
import { brokerFolder, reachableUrl, reachableWsUrl, removeRecord, writeRecord } from "./record-file.ts";
import type { ReadyLine } from "./start.ts";

// The log is for finding out afterwards what went wrong, not a place that a hostile client can fill.
const loggedFaultsLimit = 200;
const closeTimeoutMs = 2_000;
const cacheDelayMs = 3_000;

/** Runs the managed broker until it is told to stop, or has been without a client for long enough. */
async function runBroker(options: BackgroundArguments): Promise<void> {
  const logFault = createFaultLog();
  // A fault in what one client caused must not end the broker of all the others.
  process.on("uncaughtException", logFault);
  process.on("unhandledRejection", logFault);

  collectEarly();
  ensureFolder(options.home);
  ensureFolder(brokerFolder(options.home));
  const startedAt = Date.now();
  const startedAtMs = performance.now();
  const ending = Promise.withResolvers<void>();
  dropNumberCache("aedes");
  const broker = await startEmbeddedBroker({
    host: options.host,
    port: options.port,
    wsPort: options.wsPort,
    packetLimitBytes: options.packetLimitBytes,
    idleMs: options.idleMs,
    onIdle: ending.resolve,
    onFault: logFault,
  });
  const control = await serveControl({
    status: () => ({
      clients: broker.clientCount(),
      memoryBytes: process.memoryUsage.rss(),
      uptimeMs: Math.round(performance.now() - startedAtMs),
    }),
    stop: ending.resolve,
  });
  const record: BrokerRecord = {
    process: ownIdentity(),
    host: broker.host,
    port: broker.port,
    url: reachableUrl(broker),
    ...(broker.wsPort === undefined
      ? {}
      : { ws: { port: broker.wsPort, url: reachableWsUrl({ host: broker.host, port: broker.wsPort }) } }),
    version: options.version,
    startedAt,
    local: options.local,
    control: { port: control.port, token: control.token },
  };
  await writeRecord(options.home, record);
  for (const signal of ["SIGTERM", "SIGINT", "SIGHUP"] as const) process.on(signal, () => ending.resolve());
  say({ ready: true, record });
  // A broker that is killed later leaves no cache behind, unless it writes it now.
  setTimeout(() => module.flushCompileCache?.(), cacheDelayMs).unref();

  await ending.promise;
  setTimeout(() => process.exit(0), closeTimeoutMs).unref();
  control.close();
  await broker.close();
  await removeRecord(options.home, record);
}

/**
 * Has what waited for its turn and is garbage then collected when the heap has grown by a fifth, and not to four times its
 * size. Said here and not on the command line: a Node whose V8 knows no such flag would not start.
 */
function collectEarly(): void {
  if (process.versions.bun === undefined) setFlagsFromString("--heap-growing-percent=20");
}

/** Tells the process that started this one; there may be none any more, and there is never a second line. */
function say(line: ReadyLine): void {
  try {
    writeSync(1, `${JSON.stringify(line)}\n`);
  } catch (error) {
    logLine(`nobody waits for the ready line: ${messageOf(error)}`);
  }
}

function createFaultLog(): (fault: unknown) => void {
  let logged = 0;
  return (fault) => {
    logged += 1;
    if (logged < loggedFaultsLimit) logLine(fault instanceof Error ? (fault.stack ?? fault.message) : String(fault));
    else if (logged === loggedFaultsLimit) logLine("further faults are not written down");
  };
}

function logLine(text: string): void {
  try {
    writeSync(2, `${new Date().toISOString()} [${process.pid}] ${text}\n`);
  } catch {
    // There is nowhere left to write it: the disk is full or the log is gone.
  }
}

try {
  await runBroker(parseBackgroundArguments(process.argv[2]));
  process.exit(0);
} catch (error) {
  const code = error instanceof Error && "code" in error && typeof error.code === "string" ? error.code : "failed";
  say({ ready: false, code, message: messageOf(error) });
  logLine(error instanceof Error ? (error.stack ?? error.message) : String(error));
  process.exit(1);
}
