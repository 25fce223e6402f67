import { setTimeout as delay } from "node:timers/promises";
import { hasCode } from "../store/folder.ts";
import { livenessOf } from "../store/process.ts";
import { askControl } from "./control.ts";
import type { BrokerRecord } from "./record.ts";
import { removeRecord } from "./record-file.ts";

const pollMs = 10;

/** How the end of a recorded broker came about. */
export type EndOutcome =
  /** It ended in good order, or was dead already. */
  | "ended"
  /** It had to be killed. */
  | "killed"
  /** It has clients, and only an idle one was to end. */
  | "busy"
  /** It is not known to be the recorded process, or could not be killed: it was left alone. */
  | "left";

/**
 * Ends the broker of a record: asks it to stop, and kills it where it does not answer.
 * Nothing is killed that is not provably the recorded process.
 *
 * @param home whose record it is; the record is removed with its broker
 * @param record the broker
 * @param options `onlyIfIdle`: leave one alone that has clients; `graceMs`: how long it may take to stop, 3 s by default
 */
export async function endBroker(
  home: string,
  record: BrokerRecord,
  options: { onlyIfIdle?: boolean; graceMs?: number } = {},
): Promise<EndOutcome> {
  const graceMs = options.graceMs ?? 3_000;
  const onlyIfIdle = options.onlyIfIdle ?? false;
  let outcome: EndOutcome = "ended";
  if (livenessOf(record.process) !== "dead") {
    const answer = await askControl(record.control, {
      command: "stop",
      onlyIfIdle,
      timeoutMs: Math.min(2_000, graceMs),
    });
    if (answer !== undefined && !answer.stopping) return "busy";
    if (!(answer !== undefined && (await hasEnded(record, graceMs)))) outcome = await killBroker(record, graceMs);
  }
  if (outcome !== "left") await removeRecord(home, record);
  return outcome;
}

/**
 * Waits for the end of a recorded broker's process.
 *
 * @param record the broker
 * @param timeoutMs how long to wait
 * @returns false where it still lives then
 */
export async function hasEnded(record: BrokerRecord, timeoutMs: number): Promise<boolean> {
  const deadline = performance.now() + timeoutMs;
  while (livenessOf(record.process) !== "dead") {
    if (performance.now() > deadline) return false;
    await delay(pollMs);
  }
  return true;
}

async function killBroker(record: BrokerRecord, graceMs: number): Promise<EndOutcome> {
  for (const signal of ["SIGTERM", "SIGKILL"] as const) {
    // Without a known start the process id may have gone to another process since: only the start tells them apart.
    if (record.process.start === null || livenessOf(record.process) !== "living") {
      return livenessOf(record.process) === "dead" ? "ended" : "left";
    }
    try {
      process.kill(record.process.pid, signal);
    } catch (error) {
      // It ended between the look and the signal.
      if (!hasCode(error, "ESRCH")) throw error;
    }
    if (await hasEnded(record, graceMs)) return "killed";
  }
  return "left";
}
