import { z } from "zod";
import { PilinkError, quoteValue } from "./errors.ts";
import { idSchema } from "./ids.ts";
import { byteLengthOf, checkDepth, decodeText, isJsonObject, type Json, parseJson } from "./json.ts";
import { nameSchema } from "./names.ts";
import { checkVersion, describeIssues, protocolVersion, timeSchema } from "./version.ts";

/** The largest body, in bytes of UTF-8 (a string as it is, any other value as JSON). topics.md, "MQTT profile". */
export const bodyLimitBytes = 1_048_576;

/**
 * The largest envelope on the wire, in bytes. Mosquitto 2.1 closes the connection of a client that
 * sends more than 2,000,000 bytes in a packet; the topic and the packet's own header need the rest.
 */
export const envelopeLimitBytes = 1_999_000;

/** What kind of message a body is (topics.md, "The envelope"). */
export const messageTypes = ["message", "task", "result", "query", "file"] as const;

/** The number of runs that may hand on a message before it is held for a person (topics.md, "Loops"). */
export const hopsLimit = 8;

const bodySchema = z.custom<Json>((value) => value !== undefined, "a body is required");

/** The JSON wrapper of a message on the wire (topics.md, "The envelope"). */
export const envelopeSchema = z.object({
  v: z.literal(protocolVersion),
  id: idSchema,
  net: idSchema,
  from: nameSchema,
  fromEpoch: idSchema,
  fromBox: idSchema,
  to: nameSchema,
  toEpoch: idSchema,
  toBox: idSchema,
  re: idSchema.nullable(),
  type: z.enum(messageTypes),
  body: bodySchema,
  seq: z.int().min(1),
  base: z.int().min(1),
  at: timeSchema,
  ttl: z.int().min(1).optional(),
  trace: idSchema,
  hops: z.int().min(0),
});

// Of an envelope written by hand only `v` and `body` are required (topics.md, [ENV-4]).
const byHandSchema = envelopeSchema.partial().required({ v: true, body: true });

/** A complete envelope. */
export type Envelope = z.infer<typeof envelopeSchema>;

/** What a person or a program without this protocol published on an inbox: at least a body. */
export type ByHand = z.infer<typeof byHandSchema>;

/** What a payload on an inbox turned out to be. */
export type InboxPayload = { kind: "envelope"; envelope: Envelope } | { kind: "by-hand"; message: ByHand };

/**
 * Checks a body before it is sent or kept.
 *
 * @param body a string or any other JSON value
 * @returns its size in bytes
 * @throws PilinkError `too-big` above {@link bodyLimitBytes}, `bad-payload` for what JSON cannot hold or nests too deep
 */
export function checkBody(body: unknown): number {
  let text: string | undefined;
  try {
    text = typeof body === "string" ? body : JSON.stringify(body);
  } catch (cause) {
    throw new PilinkError("bad-payload", `A body cannot be written as JSON: ${quoteValue(body)}.`, {
      value: body,
      cause,
    });
  }
  if (text === undefined) {
    throw new PilinkError("bad-payload", `A body must be a string or a JSON value, not ${quoteValue(body)}.`, {
      value: body,
    });
  }
  const sizeBytes = byteLengthOf(text);
  if (sizeBytes > bodyLimitBytes) {
    throw new PilinkError(
      "too-big",
      `The body has ${sizeBytes} bytes; ${bodyLimitBytes} (1 MiB) is the limit. Write it to a file and send the path, or send it in parts.`,
      { value: sizeBytes },
    );
  }
  // The envelope is a level of its own: what is taken here must still be readable at the receiver's.
  if (typeof body !== "string") checkDepth(text, 1);
  return sizeBytes;
}

/**
 * Writes an envelope as it goes over the wire.
 *
 * @param envelope a complete envelope
 * @returns JSON text
 * @throws PilinkError `too-big`, `bad-payload` if it breaks a rule that its receiver would check
 */
export function encodeEnvelope(envelope: Envelope): string {
  checkBody(envelope.body);
  const checked = envelopeSchema.safeParse(envelope);
  if (!checked.success) {
    throw new PilinkError("bad-payload", `An envelope does not fit: ${describeIssues(checked.error)}.`, {
      value: envelope,
    });
  }
  const text = JSON.stringify(checked.data);
  const sizeBytes = byteLengthOf(text);
  if (sizeBytes > envelopeLimitBytes) {
    throw new PilinkError(
      "too-big",
      `The message takes ${sizeBytes} bytes on the wire (escaped as JSON); ${envelopeLimitBytes} is the limit. Send it in parts.`,
      { value: sizeBytes },
    );
  }
  return text;
}

/**
 * Writes an envelope again that {@link encodeEnvelope} has taken, with the `base` of now ([DEL-13] in topics.md).
 *
 * @param base from the envelope's own to its `seq`
 * @returns JSON text
 */
export function restateEnvelope(envelope: Envelope, base: number): string {
  return JSON.stringify({ ...envelope, base });
}

/**
 * Reads a payload from an inbox (topics.md, `pilink/<network>/<peer>/inbox`).
 *
 * @param payload the bytes of the MQTT payload
 * @throws PilinkError `bad-payload`, `unknown-version`, `too-big`: the reason to reject it
 */
export function decodeInboxPayload(payload: Uint8Array): InboxPayload {
  if (payload.byteLength === 0) throw new PilinkError("bad-payload", "An empty payload is no message.");
  if (payload.byteLength > envelopeLimitBytes) {
    throw new PilinkError(
      "too-big",
      `A payload of ${payload.byteLength} bytes is above the limit of ${envelopeLimitBytes}.`,
      {
        value: payload.byteLength,
      },
    );
  }
  const text = decodeText(payload);
  const json = parseJson(text);
  const value = json === undefined ? text : json.value;
  if (!isJsonObject(value) || !Object.hasOwn(value, "v")) {
    checkBody(value);
    return { kind: "by-hand", message: { v: protocolVersion, body: value } };
  }
  checkVersion(value.v);
  const complete = envelopeSchema.safeParse(value);
  if (complete.success) {
    checkBody(complete.data.body);
    return { kind: "envelope", envelope: complete.data };
  }
  const byHand = byHandSchema.safeParse(value);
  if (!byHand.success) {
    throw new PilinkError("bad-payload", `An object with "v" is no envelope: ${describeIssues(byHand.error)}.`, {
      value,
    });
  }
  checkBody(byHand.data.body);
  return { kind: "by-hand", message: byHand.data };
}
