import type { InboxEntry, RosterEntry, SendOutcome } from "../peer/peer.ts";
import { cleanLine } from "../protocol/clean.ts";
import { isPilinkError, messageOf } from "../protocol/errors.ts";

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
    ...(role === undefined ? [] : [cleanLine(role, 100)]),
    ...(where.length === 0 ? [] : [where.join(" / ")]),
    `since ${describeTime(since)}`,
  ].join(" — ");
}

/** A moment of today as a person reads it. */
export function describeTime(ms: number): string {
  return new Date(ms).toLocaleTimeString(undefined, { hour: "2-digit", minute: "2-digit" });
}

/** One line about what became of a message to one receiver. */
export function describeOutcome({ to, id, state, reason }: SendOutcome): string {
  const receiver = cleanLine(to, 80);
  const why = reason === undefined ? "" : ` ${cleanLine(reason, 300)}`;
  switch (state) {
    case "refused":
      return `${receiver}: refused.${why}`;
    case "queued":
      return `${receiver}: queued (id ${id}). It is away or cannot be reached now; do not send again, it will be delivered.`;
    case "sent":
      return `${receiver}: sent (id ${id}). The broker has it, no receipt has come yet; do not send again, it will be delivered.`;
    case "denied":
    case "expired":
      return `${receiver}: ${state} (id ${id}). It will not be delivered.${reason === undefined ? "" : ` Reason: ${cleanLine(reason, 300)}`}`;
    default:
      return `${receiver}: received (id ${id})${furtherStates[state]}.`;
  }
}

const furtherStates = {
  received: "",
  injected: ", and put into its session",
  seen: ", and seen by its model",
  replied: ", and replied to",
} as const;

/** Who sent messages, for a sentence. */
export function describeSenders(entries: InboxEntry[]): string {
  const senders = entries.map(({ from, verified }) =>
    from === undefined ? "an unnamed sender" : verified ? from : `${from} (unverified)`,
  );
  return [...new Set(senders)].join(", ");
}

/** What a person reads of something that was thrown. */
export function describeFault(thrown: unknown): string {
  return isPilinkError(thrown) ? thrown.message : `Something went wrong in pilink: ${messageOf(thrown)}`;
}

/**
 * The known word that is nearest to what was typed.
 *
 * @returns undefined where none is near enough to have been meant
 */
export function findNearest(typed: string, known: readonly string[]): string | undefined {
  const limit = Math.max(1, Math.floor(typed.length / 3));
  const near = known
    .map((word) => ({ word, distance: word.startsWith(typed) ? 0 : editDistance(typed.toLowerCase(), word) }))
    .filter(({ distance }) => distance <= limit)
    .sort((a, b) => a.distance - b.distance);
  return typed === "" ? undefined : near[0]?.word;
}

/** The number of letters to insert, remove, replace or swap with their neighbour to make one word of the other. */
function editDistance(from: string, to: string): number {
  let before: number[] = [];
  let above = Array.from({ length: to.length + 1 }, (_, column) => column);
  for (let row = 1; row <= from.length; row += 1) {
    const current = [row];
    for (let column = 1; column <= to.length; column += 1) {
      const isSame = from[row - 1] === to[column - 1];
      const isSwap = row > 1 && column > 1 && from[row - 1] === to[column - 2] && from[row - 2] === to[column - 1];
      const [up = 0, left = 0, corner = 0] = [above[column], current[column - 1], above[column - 1]];
      const plain = Math.min(up + 1, left + 1, corner + (isSame ? 0 : 1));
      current.push(isSwap ? Math.min(plain, (before[column - 2] ?? 0) + 1) : plain);
    }
    before = above;
    above = current;
  }
  return above[to.length] ?? 0;
}
