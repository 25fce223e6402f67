import { randomBytes } from "node:crypto";
import type { InboxEntry, Peer } from "../peer/peer.ts";
import { count, describeSenders } from "../peer/texts.ts";
import { hopsLimit } from "../protocol/envelope.ts";
import { bodyText, frameMessage } from "../protocol/frame.ts";
import type { Sorted } from "./intake.ts";

/**
 * How many characters of messages one answer holds: clients cut longer ones off, or refuse them (Claude Code at 25,000
 * tokens), and a message would be lost to the model.
 */
export const answerCharactersLimit = 40_000;

/** A message in its frame, from some character of its text on, as much as an answer holds. */
export function frameEntry(network: string, entry: InboxEntry, offset = 0): string {
  const { id, from, verified, re, type, late } = entry;
  const whole = bodyText(entry.body);
  const end = offset + answerCharactersLimit;
  const body = whole.slice(offset, end);
  const facts = { network, id, from, verified, re, type, body, late };
  const framed = frameMessage(facts, () => randomBytes(6).toString("hex"));
  if (body.length === whole.length) return framed;
  const more = end < whole.length ? ` To read on, call pilink_inbox with id "${id}" and offset ${end}.` : "";
  return `${framed}\n(These are the characters ${offset} to ${Math.min(end, whole.length)} of ${whole.length}.${more})`;
}

/** What is said of messages that wait for the person. */
export function describeHeld(held: readonly InboxEntry[]): string {
  const isLoop = held.some(({ hops }) => hops > hopsLimit);
  const why = isLoop
    ? `agents have passed messages on more than ${hopsLimit} times without a word of a person`
    : "its settings hold messages from there";
  return `${count(held.length, "message is", "messages are")} held for your user (from ${describeSenders([...held])}), because ${why}. Tell your user; to ask whether you may read them, call pilink_inbox with held true.`;
}

/** An answer with messages, and what else a model should know then. */
export function describeTaken(peer: Peer, entries: readonly InboxEntry[], { given, held }: Sorted): string {
  return [
    entries.length === 0 ? "No new message." : `${count(entries.length, "new message")}.`,
    ...entries.map((entry) => frameEntry(peer.network, entry)),
    ...(given.length === 0
      ? []
      : [`${count(given.length, "more message waits", "more messages wait")}: call pilink_inbox again.`]),
    ...(held.length === 0 ? [] : [describeHeld(held)]),
    ...(peer.state === "suspended"
      ? ["The network's host is offline: nothing can be sent until it returns; what has come can be read."]
      : []),
  ].join("\n\n");
}

/** The first of a list that one answer holds; at least one. */
export function cutOff(entries: readonly InboxEntry[]): InboxEntry[] {
  const cut: InboxEntry[] = [];
  let room = answerCharactersLimit;
  for (const entry of entries) {
    const { length } = bodyText(entry.body);
    if (length > room && cut.length > 0) break;
    room -= length;
    cut.push(entry);
  }
  return cut;
}

/** An answer with what came in a network that has ended since. */
export function describeLeft(network: string, entries: readonly InboxEntry[]): string {
  return [
    `${count(entries.length, "message")} came in the network "${network}" before it ended, and cannot be answered there. Call pilink_inbox again for what came since.`,
    ...entries.map((entry) => frameEntry(network, entry)),
  ].join("\n\n");
}
