import { setImmediate } from "node:timers/promises";
import { PilinkError, quoteValue } from "../protocol/errors.ts";
import type { OpenedJournal } from "../store/journal.ts";

/**
 * Tells of lines that could not be read when the files were opened: what they said is lost to this peer.
 *
 * @param files the inbox and the outbox
 * @throws PilinkError `state-unusable` where there are such lines, once whoever entered can listen
 */
export async function reportDamage(files: Record<"inbox" | "outbox", OpenedJournal<unknown>>): Promise<void> {
  const damages = Object.entries(files).filter(([, { damaged }]) => damaged > 0);
  if (damages.length === 0) return;
  await setImmediate();
  const found = damages.map(([name, { damaged, damagedPath }]) => {
    const lines = `${damaged} ${damaged === 1 ? "line" : "lines"} of the ${name}'s file`;
    return `${lines}, which is kept as ${quoteValue(damagedPath, 300)}`;
  });
  throw new PilinkError(
    "state-unusable",
    `Something damaged this peer's files: what could not be read was left out (${found.join("; ")}). Look there for messages that are missing.`,
    { value: damages.map(([, { damagedPath }]) => damagedPath) },
  );
}
