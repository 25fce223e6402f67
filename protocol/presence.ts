import { z } from "zod";
import { idSchema } from "./ids.ts";
import { nameSchema } from "./names.ts";
import { decodeObject, encodeObject, protocolVersion, timeSchema } from "./version.ts";

const textSchema = z.string().max(200);

/** The retained record of a peer's life (topics.md, `pilink/<network>/<peer>/presence`). */
export const presenceSchema = z.object({
  v: z.literal(protocolVersion),
  state: z.enum(["online", "lost", "left"]),
  net: idSchema,
  epoch: idSchema,
  conn: z.int().min(1),
  box: idSchema,
  kind: z.enum(["host", "member"]),
  keepalive: z.int().min(1),
  since: timeSchema,
  role: textSchema.optional(),
  machine: textSchema.optional(),
  folder: textSchema.optional(),
  model: textSchema.optional(),
  activity: textSchema.optional(),
  context: z.int().min(0).max(100).optional(),
  about: textSchema.optional(),
});

/** The retained record of a peer's life. `keepalive` is in milliseconds. */
export type Presence = z.infer<typeof presenceSchema>;

/** The retained record that a network is closed (topics.md, `pilink/<network>/_all/presence`). */
export const closingMarkSchema = z.object({
  v: z.literal(protocolVersion),
  state: z.literal("closed"),
  net: idSchema,
  by: nameSchema,
  at: timeSchema,
});

/** The retained record that a network is closed. */
export type ClosingMark = z.infer<typeof closingMarkSchema>;

/** Writes a presence record. @throws PilinkError `bad-payload` */
export function encodePresence(presence: Presence): string {
  return encodeObject(presence, presenceSchema, "presence");
}

/** Reads a presence record that is not empty. @throws PilinkError `bad-payload`, `unknown-version` */
export function decodePresence(payload: Uint8Array): Presence {
  return decodeObject(payload, presenceSchema, "presence");
}

/** Writes a closing mark. @throws PilinkError `bad-payload` */
export function encodeClosingMark(mark: ClosingMark): string {
  return encodeObject(mark, closingMarkSchema, "closing mark");
}

/** Reads a closing mark that is not empty. @throws PilinkError `bad-payload`, `unknown-version` */
export function decodeClosingMark(payload: Uint8Array): ClosingMark {
  return decodeObject(payload, closingMarkSchema, "closing mark");
}
