import { z } from "zod";
import { idSchema } from "./ids.ts";
import { nameSchema } from "./names.ts";
import { decodeObject, encodeObject, protocolVersion, timeSchema } from "./version.ts";

/** What a receiver can state about one message, in the order in which it moves forward (topics.md, "Delivery"). */
export const receiptStates = ["received", "injected", "seen", "replied", "denied", "expired"] as const;

/** The receiver's statement about one message (topics.md, `pilink/<network>/<peer>/receipts`). */
export const receiptSchema = z.object({
  v: z.literal(protocolVersion),
  net: idSchema,
  id: idSchema,
  state: z.enum(receiptStates),
  from: nameSchema,
  epoch: idSchema,
  box: idSchema,
  at: timeSchema,
  reason: z.string().max(300).optional(),
});

/** The receiver's statement about one message. */
export type Receipt = z.infer<typeof receiptSchema>;

/** What a sender can know of one message (topics.md, "Delivery"). */
export const messageStates = ["queued", "sent", ...receiptStates] as const;

/** What a sender knows of one message. */
export type MessageState = (typeof messageStates)[number];

const ranks: Record<MessageState, number> = {
  queued: 0,
  sent: 1,
  // A late `received` corrects an `expired` (topics.md, [DEL-8]), so `expired` ranks below it.
  expired: 2,
  received: 3,
  denied: 4,
  injected: 5,
  seen: 6,
  replied: 7,
};

/**
 * The state of a message after one more statement about it: states only move forward.
 *
 * @param held what is known
 * @param stated what is now said
 */
export function advanceState(held: MessageState, stated: MessageState): MessageState {
  return ranks[stated] > ranks[held] ? stated : held;
}

/** True once the receiver has the message, or will never have it: nothing is left to send. */
export function isSettled(state: MessageState): boolean {
  return state !== "queued" && state !== "sent";
}

/** Writes a receipt. @throws PilinkError `bad-payload` */
export function encodeReceipt(receipt: Receipt): string {
  return encodeObject(receipt, receiptSchema, "receipt");
}

/** Reads a receipt. @throws PilinkError `bad-payload`, `unknown-version` */
export function decodeReceipt(payload: Uint8Array): Receipt {
  return decodeObject(payload, receiptSchema, "receipt");
}
