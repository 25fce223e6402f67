import { cleanLine } from "../protocol/clean.ts";
import { isPilinkError, messageOf } from "../protocol/errors.ts";
import type { InboxEntry, RosterEntry, SendOutcome } from "./peer.ts";

/** "1 agent", "3 agents". */
export function count(number: number, one: string, many = `${one}s`): string {
  return `${number} ${number === 1 ? one : many}`;
}

/** One line about one agent, for a list to choose from and for a model. */
export function describeAgent(entry: RosterEntry): string {
  return agentParts(entry).flat().join(" — ");
}

/**
 * The same in short lines, which a narrow terminal can show.
 *
 * @param isOver true where the network has ended: what an agent is doing now is not known any more, and none returns
 */
export function describeAgentLines(entry: RosterEntry, isOver = false): string[] {
  const [head = "", ...rest] = agentParts(entry, isOver).flatMap((parts) =>
    parts.length === 0 ? [] : [parts.join(" — ")],
  );
  return [`  ${head}`, ...rest.map((line) => `    ${line}`)];
}

/** Who; what it is doing; where; since when and with how much room left. */
function agentParts({ name, presence, state, isSelf, isHost }: RosterEntry, isOver = false): string[][] {
  const isLost = state === "lost" && !isOver;
  const marks = [
    ...(isSelf ? ["this agent"] : []),
    ...(isHost ? ["host"] : []),
    ...(isLost ? ["offline, may return"] : []),
  ];
  const { role, activity, machine, folder, model, context, since } = presence;
  const shown = (text: string | undefined, limit: number) => (text === undefined ? [] : [cleanLine(text, limit)]);
  const where = [machine, folder, model].flatMap((text) => shown(text, 60)).join(" / ");
  return [
    [`${name}${marks.length === 0 ? "" : ` (${marks.join(", ")})`}`, ...shown(role, 100)],
    isOver ? [] : shown(isLost ? "suspended" : activity, 60),
    where === "" ? [] : [where],
    [
      `since ${describeTime(since)}`,
      ...(context === undefined || isLost || isOver ? [] : [`context ${context} % used`]),
    ],
  ];
}

/** A time of the day as a person reads it everywhere: `09:05`. */
export function describeClock(ms: number): string {
  return new Date(ms).toLocaleTimeString(undefined, { hour: "2-digit", minute: "2-digit", hourCycle: "h23" });
}

/**
 * A moment as a person reads it: the time, and the day where it is not today.
 *
 * @param nowMs the moment to compare with, in milliseconds since 1970
 */
export function describeTime(ms: number, nowMs = Date.now()): string {
  const moment = new Date(ms);
  const time = describeClock(ms);
  if (moment.toDateString() === new Date(nowMs).toDateString()) return time;
  return `${moment.toLocaleDateString(undefined, { day: "numeric", month: "short", year: "numeric" })}, ${time}`;
}

/** A length of time as a person reads it: "45 s", "12 min", "3 h 5 min", "2 d 4 h". */
export function describeDuration(ms: number): string {
  const seconds = Math.round(ms / 1_000);
  if (seconds < 60) return `${seconds} s`;
  const minutes = Math.floor(seconds / 60);
  if (minutes < 60) return `${minutes} min`;
  const hours = Math.floor(minutes / 60);
  if (hours < 24) return minutes % 60 === 0 ? `${hours} h` : `${hours} h ${minutes % 60} min`;
  return hours % 24 === 0 ? `${hours / 24} d` : `${Math.floor(hours / 24)} d ${hours % 24} h`;
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
      return `${receiver}: ${state} (id ${id}). It will not be delivered.${reason === undefined ? "" : ` Reason: "${cleanLine(reason, 300).replaceAll('"', "'")}"`}`;
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
