import type { InboxEntry, RosterEntry, SendOutcome } from "../peer/peer.ts";
import { cleanLine } from "../protocol/clean.ts";

/** "1 agent", "3 agents". */
export function count(number: number, one: string, many = `${one}s`): string {
  return `${number} ${number === 1 ? one : many}`;
}

/** One line about one agent. */
export function describeAgent({ name, presence, state, isSelf, isHost }: RosterEntry): string {
  const marks = [
    ...(isSelf ? ["this agent"] : []),
    ...(isHost ? ["host"] : []),
    ...(state === "lost" ? ["offline, may return"] : []),
  ];
  const { role, machine, folder, model, since } = presence;
  const where = [machine, folder, model].flatMap((text) => (text === undefined ? [] : [cleanLine(text, 60)]));
  return [
    `${name}${marks.length === 0 ? "" : ` (${marks.join(", ")})`}`,
    ...(role === undefined ? [] : [cleanLine(role, 80)]),
    ...(where.length === 0 ? [] : [where.join(" / ")]),
    `since ${new Date(since).toLocaleTimeString(undefined, { hour: "2-digit", minute: "2-digit" })}`,
  ].join(" — ");
}

/** One line about what became of a message to one receiver. */
export function describeOutcome({ to, id, state, reason }: SendOutcome): string {
  const why = reason === undefined ? "" : ` ${reason}`;
  switch (state) {
    case "refused":
      return `${to}: refused.${why}`;
    case "queued":
      return `${to}: queued (id ${id}). It is away or cannot be reached now; do not send again, it will be delivered.`;
    case "sent":
      return `${to}: sent (id ${id}). The broker has it, no receipt has come yet; do not send again, it will be delivered.`;
    case "denied":
      return `${to}: denied (id ${id}).${why}`;
    case "expired":
      return `${to}: expired (id ${id}).${why}`;
    default:
      return `${to}: ${state} (id ${id}).`;
  }
}

/** Who sent messages, for a sentence. */
export function describeSenders(entries: InboxEntry[]): string {
  return [
    ...new Set(
      entries.map(({ from, verified }) =>
        from === undefined ? "an unnamed sender" : verified ? from : `${from} (unverified)`,
      ),
    ),
  ].join(", ");
}
