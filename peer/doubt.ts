import { PilinkError, quoteValue } from "../protocol/errors.ts";

/**
 * The error for a payload of another instance of the network (hazard 10).
 *
 * @param what the payload's name
 */
export function staleInstance(what: string, net: string): PilinkError {
  return new PilinkError("bad-payload", `A ${what} belongs to another instance of the network (${quoteValue(net)}).`, {
    value: net,
  });
}

/**
 * The error for a payload that claims what cannot be.
 *
 * @param what the claim
 */
export function forgedPayload(what: string): PilinkError {
  return new PilinkError("bad-payload", `Forged: ${what}.`);
}

/** The error for a message of nobody in the roster, where those are not taken. */
export function unverifiedMessage(): PilinkError {
  return new PilinkError(
    "bad-payload",
    "A message from nobody in the roster: this network takes none (acceptUnverified is false).",
  );
}

/** The error for a message that finds no room ([DEL-22] in topics.md). @param unread how many wait */
export function inboxFull(unread: number): PilinkError {
  return new PilinkError(
    "inbox-full",
    `The inbox is full: ${unread} messages wait unread, and no more are taken. Their senders keep the next ones and send them again. Read what waits in the inbox, or clear it.`,
    { value: unread },
  );
}
