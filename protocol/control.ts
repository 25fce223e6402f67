import { z } from "zod";
import { idSchema } from "./ids.ts";
import { nameSchema } from "./names.ts";
import { decodeObject, encodeObject, protocolVersion, timeSchema } from "./version.ts";

const base = { v: z.literal(protocolVersion), from: nameSchema, epoch: idSchema };
const question = { ...base, id: idSchema };
const answer = { ...base, re: idSchema, net: idSchema };
const reasonSchema = z.string().max(300);

/** What is no message: claims, join requests, pings (topics.md, `pilink/<network>/<peer>/control`). */
export const controlSchema = z.discriminatedUnion("type", [
  z.object({ type: z.literal("claim"), ...base }),
  z.object({ type: z.literal("join"), ...question, box: idSchema, former: idSchema.optional(), at: timeSchema }),
  z.object({
    type: z.literal("joined"),
    ...answer,
    name: nameSchema,
    at: timeSchema,
    about: z.string().max(200).optional(),
  }),
  z.object({
    type: z.literal("refused"),
    ...answer,
    code: z.enum(["name-taken"]),
    reason: reasonSchema,
    offer: nameSchema.optional(),
  }),
  z.object({ type: z.literal("ping"), ...question, net: idSchema.nullable() }),
  z.object({ type: z.literal("pong"), ...answer, conn: z.int().min(1), at: timeSchema }),
  z.object({ type: z.literal("whose"), ...question, net: idSchema, name: nameSchema }),
  z.object({
    type: z.literal("granted"),
    ...answer,
    name: nameSchema,
    to: z.object({ epoch: idSchema, box: idSchema }).nullable(),
  }),
  z.object({
    type: z.literal("missing"),
    ...base,
    net: idSchema,
    box: idSchema,
    seqs: z.array(z.int().min(1)).min(1).max(200),
  }),
  z.object({ type: z.literal("probe"), ...question }),
]);

/** What is no message. `from` and `epoch` are the publisher's name and life. */
export type Control = z.infer<typeof controlSchema>;

/** Writes a control payload. @throws PilinkError `bad-payload` */
export function encodeControl(control: Control): string {
  return encodeObject(control, controlSchema, "control payload");
}

/** Reads a control payload. @throws PilinkError `bad-payload`, `unknown-version` */
export function decodeControl(payload: Uint8Array): Control {
  return decodeObject(payload, controlSchema, "control payload");
}
