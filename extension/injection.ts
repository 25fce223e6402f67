import { randomBytes } from "node:crypto";
import type { ExtensionAPI, ExtensionContext } from "@earendil-works/pi-coding-agent";
import type { InboxEntry, Peer, RosterEntry, SentEntry } from "../peer/peer.ts";
import type { Decision } from "../peer/preferences.ts";
import { describeSenders } from "../peer/texts.ts";
import { cleanLine } from "../protocol/clean.ts";
import { bodyText, frameMessage } from "../protocol/frame.ts";

/** The `customType` of a message from another agent in a Pi session. */
export const messageType = "pilink";

/** The `customType` of the request to act on what waits. */
export const goType = "pilink-go";

// What an answer is shown with: enough to know one's own message again.
const answeredCharactersLimit = 80;

/** The session that messages are put into. */
export interface InjectionTarget {
  pi: Pick<ExtensionAPI, "sendMessage">;
  ctx: { sessionManager: Pick<ExtensionContext["sessionManager"], "getSessionId" | "getBranch"> };
}

/** What decides how the messages that wait are put into a session. */
export interface Intake {
  /** False while a run of the model is active. */
  isIdle: boolean;
  /** True at the end of a turn of the run: only then what steers it is in it at once. */
  isTurnEnd: boolean;
  decide(entry: InboxEntry): Decision;
}

/**
 * Puts the messages that wait into a session, in order, as far as their delivery and the session permit. The caller
 * makes sure that the session can take them: nothing is injected while it is compacted.
 *
 * Several that start a turn arrive as one: Pi would otherwise start one for each. While a run is active only answers
 * to what this agent asked go into it; what else starts a turn waits for its end, unread.
 *
 * @returns what was put into it
 */
export function injectWaiting(peer: Peer, target: InjectionTarget, intake: Intake): InboxEntry[] {
  const waiting = peer.unread().flatMap((entry) => {
    const { delivery } = intake.decide(entry);
    return delivery === "hold" ? [] : [{ entry, startsTurn: delivery === "turn" && peer.state === "active" }];
  });
  if (waiting.length === 0) return [];
  const all = waiting.map(({ entry }) => entry);
  const starting = waiting.flatMap(({ entry, startsTurn }) => (startsTurn ? [entry] : []));
  if (intake.isIdle) {
    put(peer, target, all, starting.length > 0);
    return all;
  }
  if (intake.isTurnEnd && holdsAnswer(peer, starting)) {
    steer(peer, target, all);
    return all;
  }
  const quiet = waiting.flatMap(({ entry, startsTurn }) => (startsTurn ? [] : [entry]));
  if (quiet.length > 0) put(peer, target, quiet, false);
  return quiet;
}

/** Puts messages that a model has read into a session that does not hold them: it was another session's model. */
export function giveAgain(peer: Peer, target: InjectionTarget, entries: readonly InboxEntry[]): void {
  const read = entries.filter(({ state }) => state === "seen" || state === "replied");
  if (read.length > 0) put(peer, target, read, false);
}

function put(peer: Peer, { pi, ctx }: InjectionTarget, entries: InboxEntry[], startsTurn: boolean): void {
  const fresh = dropPresent(ctx, entries);
  const known = whatIsKnown(peer, fresh);
  for (const entry of fresh) {
    const triggerTurn = startsTurn && entry === fresh.at(-1);
    pi.sendMessage(
      toSessionMessage(peer, entry, known),
      triggerTurn ? { triggerTurn, deliverAs: "followUp" } : { triggerTurn },
    );
  }
  markInjected(peer, ctx, entries);
}

/** Pi gives a run one steering message at a time, each with a request of its own: so these are one message. */
function steer(peer: Peer, { pi, ctx }: InjectionTarget, entries: InboxEntry[]): void {
  const fresh = dropPresent(ctx, entries);
  const known = whatIsKnown(peer, fresh);
  const messages = fresh.map((entry) => toSessionMessage(peer, entry, known));
  const [first, ...more] = messages;
  if (first !== undefined) {
    const message = {
      ...first,
      content: messages.map(({ content }) => content).join("\n\n"),
      details: more.length === 0 ? first.details : { batch: messages.map(({ details }) => details) },
    };
    pi.sendMessage(message, { triggerTurn: true, deliverAs: "steer" });
  }
  markInjected(peer, ctx, entries);
}

function markInjected(peer: Peer, ctx: InjectionTarget["ctx"], entries: InboxEntry[]): void {
  peer.markInjected(
    entries.map((entry) => entry.id),
    ctx.sessionManager.getSessionId(),
  );
}

/** A session that was resumed or forked may hold messages from before. */
function dropPresent(ctx: InjectionTarget["ctx"], entries: InboxEntry[]): InboxEntry[] {
  const present = new Set(idsInBranch(ctx));
  return entries.filter(({ id }) => !present.has(id));
}

function holdsAnswer(peer: Peer, entries: readonly InboxEntry[]): boolean {
  const answered = new Set(entries.flatMap(({ re }) => (re === null ? [] : [re])));
  return answered.size > 0 && peer.sent().some(({ id }) => answered.has(id));
}

/**
 * Starts one turn on messages that stand in the session.
 *
 * @param entries the messages to act on
 * @param canAnswer true if the model has the tool to answer with
 */
export function startTurn(pi: InjectionTarget["pi"], entries: InboxEntry[], canAnswer: boolean): void {
  const list = entries.map(
    ({ id, from }) => `${id} from ${from === undefined ? "an unnamed sender" : JSON.stringify(from)}`,
  );
  const which = entries.length === 1 ? "the message" : `the ${entries.length} messages`;
  const answering = canAnswer ? " Where an answer is needed, send it with pilink_send and re." : "";
  pi.sendMessage(
    {
      customType: goType,
      content: `Your user asks you to act on ${which} from other agents that you were given above: ${list.join(", ")}.${answering}`,
      display: true,
      details: { ids: entries.map((entry) => entry.id), from: describeSenders(entries) },
    },
    { triggerTurn: true, deliverAs: "followUp" },
  );
}

/** The ids of other agents' messages in a model request. */
export function idsIn(messages: readonly object[]): string[] {
  return messages.flatMap((message) => {
    if (!("role" in message) || message.role !== "custom" || !("customType" in message) || !("details" in message)) {
      return [];
    }
    return readIds(message.customType, message.details);
  });
}

/**
 * What a session message says of other agents' messages: one has the details of one, several that came together have
 * those of each.
 */
export function splitDetails(details: unknown): unknown[] {
  if (typeof details !== "object" || details === null || !("batch" in details)) return [details];
  return Array.isArray(details.batch) ? details.batch : [];
}

/** What a message is told beside its own words from. Looked up once for many: each list may hold thousands. */
interface Known {
  lines: ReadonlyMap<string, RosterEntry>;
  sent: ReadonlyMap<string, SentEntry>;
}

function whatIsKnown(peer: Peer, entries: readonly InboxEntry[]): Known {
  const sent = entries.some(({ re }) => re !== null) ? peer.sent() : [];
  return {
    lines: new Map(peer.roster().map((line) => [line.name, line])),
    sent: new Map(sent.map((entry) => [entry.id, entry])),
  };
}

function toSessionMessage(peer: Peer, entry: InboxEntry, known: Known) {
  const { id, from, verified, re, type, body, late } = entry;
  const facts = { network: peer.network, id, from, verified, re, type, body, late };
  return {
    customType: messageType,
    content: frameMessage(facts, () => randomBytes(6).toString("hex")),
    display: true,
    details: {
      ...entry.envelope,
      id,
      verified,
      late,
      network: peer.network,
      at: entry.atMs,
      ...describeFor(known, entry),
    },
  };
}

/** What the person is shown beside the message: who its sender is, and which own message it answers. */
function describeFor({ lines, sent }: Known, { from, verified, re }: InboxEntry) {
  const sender = verified && from !== undefined ? lines.get(from) : undefined;
  const answered = re === null ? undefined : sent.get(re);
  return {
    role: sender?.presence.role,
    answered: answered && cleanLine(bodyText(answered.body), answeredCharactersLimit),
  };
}

function idsInBranch(ctx: InjectionTarget["ctx"]): string[] {
  return ctx.sessionManager
    .getBranch()
    .flatMap((entry) => (entry.type === "custom_message" ? readIds(entry.customType, entry.details) : []));
}

function readIds(customType: unknown, details: unknown): string[] {
  if (customType !== messageType) return [];
  return splitDetails(details).flatMap((each) =>
    typeof each === "object" && each !== null && "id" in each && typeof each.id === "string" ? [each.id] : [],
  );
}
