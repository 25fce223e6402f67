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
  pi: Pick<ExtensionAPI, "sendMessage">;
  ctx: { sessionManager: Pick<ExtensionContext["sessionManager"], "getSessionId" | "getBranch"> };
}

/** What happens with a message that arrived: it is put into the session at once, or waits in the inbox. */
export type Delivery = "inject" | "hold";

/**
 * Puts the messages that wait into a session, in order, without starting a turn. The caller makes sure that the
 * session can take them: nothing is injected while it is compacted.
 *
 * @returns the messages that are now in the session
 */
export function injectWaiting(peer: Peer, { pi, ctx }: InjectionTarget): InboxEntry[] {
  const waiting = peer.inbox().filter((entry) => entry.state === "unread" && deliveryOf(entry) === "inject");
  if (waiting.length === 0) return [];
  const session = ctx.sessionManager.getSessionId();
  const present = new Set(idsInBranch(ctx));
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
      details: { ids: entries.map((entry) => entry.id) },
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
    return readId(message.customType, message.details);
  });
}

/** The one place that decides what happens with a message that arrived. */
function deliveryOf(_entry: InboxEntry): Delivery {
  return "inject";
}

function toSessionMessage(peer: Peer, entry: InboxEntry) {
  const { id, from, verified, re, type, body, late } = entry;
  const facts = { network: peer.network, id, from, verified, re, type, body, late };
  return {
    customType: messageType,
    content: frameMessage(facts, () => randomBytes(6).toString("hex")),
    display: true,
    details: { ...entry.envelope, id, verified, late, network: peer.network, at: entry.atMs },
  };
}

function idsInBranch(ctx: InjectionTarget["ctx"]): string[] {
  return ctx.sessionManager
    .getBranch()
    .flatMap((entry) => (entry.type === "custom_message" ? readId(entry.customType, entry.details) : []));
}

function readId(customType: unknown, details: unknown): string[] {
  if (customType !== messageType || typeof details !== "object" || details === null || !("id" in details)) return [];
  return typeof details.id === "string" ? [details.id] : [];
}
