import { randomBytes } from "node:crypto";
import type { ExtensionAPI, ExtensionContext } from "@earendil-works/pi-coding-agent";
import type { InboxEntry, Peer } from "../peer/peer.ts";
import { frameMessage } from "../protocol/frame.ts";

/** The `customType` of a message from another agent in a Pi session. */
export const messageType = "pilink";

/** The `customType` of the request to act on what waits. */
export const goType = "pilink-go";

/** The session that messages are put into. */
export interface InjectionTarget {
  pi: ExtensionAPI;
  ctx: ExtensionContext;
}

/** The id of the message that a session's custom message holds, or undefined where it is none of ours. */
export function idOf(customType: unknown, details: unknown): string | undefined {
  if (customType !== messageType || typeof details !== "object" || details === null || !("id" in details))
    return undefined;
  return typeof details.id === "string" ? details.id : undefined;
}

/**
 * Puts the messages that wait into a session, in order, without starting a turn.
 * The caller makes sure that the session can take them: nothing is injected while it is compacted.
 *
 * @returns the messages that are now in the session
 */
export function injectWaiting(peer: Peer, { pi, ctx }: InjectionTarget): InboxEntry[] {
  const session = ctx.sessionManager.getSessionId();
  const present = idsInSession(ctx);
  const waiting = peer.inbox().filter((entry) => entry.state === "unread");
  for (const entry of waiting) {
    // A session that was resumed or forked may hold it from before.
    if (!present.has(entry.id)) pi.sendMessage(toSessionMessage(peer, entry), { triggerTurn: false });
  }
  peer.markInjected(
    waiting.map((entry) => entry.id),
    session,
  );
  return waiting;
}

/**
 * Starts one turn on messages that stand in the session.
 *
 * @param entries the messages to act on
 */
export function startTurn({ pi }: InjectionTarget, entries: InboxEntry[]): void {
  const list = entries.map(
    (entry) => `${entry.id} from ${entry.from === undefined ? "an unnamed sender" : `"${entry.from}"`}`,
  );
  pi.sendMessage(
    {
      customType: goType,
      content: `Your user asks you to act on ${entries.length === 1 ? "this message" : "these messages"} from other agents, which you were given above: ${list.join(", ")}. Answer with pilink_send and re where an answer is needed.`,
      display: true,
      details: { ids: entries.map((entry) => entry.id) },
    },
    { triggerTurn: true, deliverAs: "followUp" },
  );
}

function toSessionMessage(peer: Peer, entry: InboxEntry) {
  const { id, from, verified, re, type, body, late } = entry;
  return {
    customType: messageType,
    content: frameMessage({ network: peer.network, id, from, verified, re, type, body, late }, () =>
      randomBytes(6).toString("hex"),
    ),
    display: true,
    details: { ...entry.envelope, id, verified, late, network: peer.network, at: entry.atMs },
  };
}

function idsInSession(ctx: ExtensionContext): Set<string> {
  const ids = new Set<string>();
  for (const entry of ctx.sessionManager.getBranch()) {
    if (entry.type !== "custom_message") continue;
    const id = idOf(entry.customType, entry.details);
    if (id !== undefined) ids.add(id);
  }
  return ids;
}
