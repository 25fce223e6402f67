import { setTimeout as pause } from "node:timers/promises";
import { PilinkError } from "../../protocol/errors.ts";
import { livenessOf } from "../../store/process.ts";
import { type BackgroundRecord, readRecord } from "./record.ts";

const endLimitMs = 15_000;
const pollMs = 25;

/**
 * Waits until a background peer that is ending has ended.
 *
 * @throws PilinkError `state-unusable` naming the process, where it does not
 */
export async function untilDead(home: string, { id, process: identity }: BackgroundRecord): Promise<void> {
  const deadline = performance.now() + endLimitMs;
  // A resident in a foreground process has removed its record, or marked it, before that process ends.
  while (livenessOf(identity) !== "dead") {
    const record = await readRecord(home, id);
    if (record === undefined || record.ended !== undefined) return;
    if (performance.now() > deadline) {
      throw new PilinkError(
        "state-unusable",
        `The background peer (process ${identity.pid}) does not end. End it by hand.`,
        {
          value: identity.pid,
        },
      );
    }
    await pause(pollMs);
  }
}
