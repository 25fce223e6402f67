import { join } from "node:path";
import { parseAddress } from "../protocol/address.ts";
import { PilinkError } from "../protocol/errors.ts";
import { waitForLock } from "../store/lock.ts";
import { livenessOf } from "../store/process.ts";
import { askControl } from "./control.ts";
import { type BrokerRecord, listRecords, readLocalRecord, readRecord, writeStopMark } from "./record.ts";
import { brokerFolder, placeOf } from "./record-file.ts";
import { type EndOutcome, endBroker } from "./stop.ts";

const lockTimeoutMs = 45_000;

/** Which broker is meant. */
export interface BrokerChoice {
  /** The folder of all state; see `homeFolder`. */
  home: string;
  /** The broker that the person named; without one it is this home's own (`local`). */
  url?: string | undefined;
}

/** What {@link brokerStatus} tells. */
type BrokerStatus = { running: false } | RunningBroker;

/** A managed broker whose process lives. */
export interface RunningBroker {
  running: true;
  url: string;
  /** Its address for MQTT over WebSocket; undefined where it does not listen for that. */
  wsUrl: string | undefined;
  host: string;
  port: number;
  pid: number;
  version: string;
  /** True where it is this home's default broker. */
  local: boolean;
  /** What it says of itself; undefined where it did not answer in time. */
  report: { uptimeMs: number; clients: number; memoryBytes: number } | undefined;
}

/**
 * Tells about a managed broker; of brokers that are not managed nothing is known here.
 *
 * @param choice which one
 * @throws PilinkError `bad-argument`, `state-unusable`
 */
export async function brokerStatus(choice: BrokerChoice): Promise<BrokerStatus> {
  const record = await livingChoice(choice);
  return record === undefined ? { running: false } : describe(record);
}

/**
 * Tells about every managed broker of a home that runs: besides its own one there may be others, each started at a URL.
 *
 * @param home the folder of all state
 * @returns the home's own first, then by port
 * @throws PilinkError `state-unusable`
 */
export async function listBrokers(home: string): Promise<RunningBroker[]> {
  const living = (await listRecords(home)).filter(({ process }) => livenessOf(process) !== "dead");
  living.sort((a, b) => Number(b.local) - Number(a.local) || a.port - b.port);
  return Promise.all(living.map(describe));
}

async function describe(record: BrokerRecord): Promise<RunningBroker> {
  const answer = await askControl(record.control, { command: "status" });
  const { url, ws, host, port, process, version, local } = record;
  const report = answer && {
    uptimeMs: answer.uptimeMs,
    clients: answer.clients,
    memoryBytes: answer.memoryBytes,
  };
  return { running: true, url, wsUrl: ws?.url, host, port, pid: process.pid, version, local, report };
}

/** What {@link stopBroker} did. */
export type StopOutcome =
  | { stopped: false }
  | { stopped: true; url: string; port: number; pid: number; how: Extract<EndOutcome, "ended" | "killed"> };

/**
 * Stops a managed broker and leaves a mark, so that the peers which lose it do not start it again (hazard 14).
 *
 * @param choice which one
 * @returns `stopped: false` where no managed broker runs there
 * @throws PilinkError `bad-argument`, `state-unusable`, `broker-refused` where it cannot be ended
 */
export async function stopBroker(choice: BrokerChoice): Promise<StopOutcome> {
  if ((await recordOf(choice)) === undefined) return { stopped: false };
  return withBrokerLock(choice.home, async () => {
    const record = await recordOf(choice);
    if (record === undefined) return { stopped: false };
    const { host, port, local, url } = record;
    // Before the broker goes, so that the first peer that misses it finds the mark; also where it is dead already.
    await writeStopMark(choice.home, { host, port, local, stoppedAt: Date.now() });
    const pid = record.process.pid;
    const wasAlive = livenessOf(record.process) !== "dead";
    const how = await endBroker(choice.home, record);
    if (how !== "ended" && how !== "killed") {
      throw new PilinkError(
        "broker-refused",
        `The managed broker at ${url} (process ${pid} on ${record.process.host}) could not be ended. End it by hand.`,
        { value: pid },
      );
    }
    return wasAlive ? { stopped: true, url, port, pid, how } : { stopped: false };
  });
}

async function recordOf(choice: BrokerChoice): Promise<BrokerRecord | undefined> {
  if (choice.url === undefined) return (await readLocalRecord(choice.home))?.record;
  const address = parseAddress(choice.url);
  return address.isStartable ? readRecord(choice.home, placeOf(address)) : undefined;
}

async function livingChoice(choice: BrokerChoice): Promise<BrokerRecord | undefined> {
  const record = await recordOf(choice);
  return record !== undefined && livenessOf(record.process) !== "dead" ? record : undefined;
}

/**
 * Does something that only one process of a home may do at a time: several processes that find the broker dead start
 * one between them, the others wait here, and then find it.
 *
 * @param home the folder of all state
 * @param work what to do
 * @throws PilinkError `broker-not-started` naming the process that keeps the others waiting
 */
export async function withBrokerLock<T>(home: string, work: () => Promise<T>): Promise<T> {
  const lock = await waitForLock(join(brokerFolder(home), "lock"), { timeoutMs: lockTimeoutMs });
  if (lock.held) {
    throw new PilinkError(
      "broker-not-started",
      `Process ${lock.holder.pid} on ${lock.holder.host} has been starting or stopping the managed broker for ` +
        `${lockTimeoutMs / 1000} s. End it, then try again.`,
      { value: lock.holder.pid },
    );
  }
  try {
    return await work();
  } finally {
    await lock.release();
  }
}
