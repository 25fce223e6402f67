import { z } from "zod";
import { envelopeSchema } from "../../protocol/envelope.ts";
import type { Json } from "../../protocol/json.ts";
import { messageStates } from "../../protocol/receipt.ts";
import { awaitedStates } from "../sending.ts";

// How a one-shot command and a background peer talk: one request, then answers, one JSON object a line.

/** A line holds at most a body of 1 MiB, escaped. */
export const requestLimitBytes = 8 * 1024 * 1024;
/** An answer holds a whole handout. */
export const answerLimitBytes = 64 * 1024 * 1024;

const durationMs = z
  .int()
  .min(0)
  .max(2 ** 31 - 1);
const jsonSchema = z.custom<Json>((value) => value !== undefined);

/** What a command asks. */
export const requestSchema = z.discriminatedUnion("command", [
  z.object({ token: z.string(), command: z.literal("status") }),
  z.object({ token: z.string(), command: z.literal("agents") }),
  z.object({ token: z.string(), command: z.literal("leave") }),
  z.object({
    token: z.string(),
    command: z.literal("send"),
    to: z.union([z.string(), z.array(z.string())]),
    body: jsonSchema,
    type: envelopeSchema.shape.type,
    re: z.string().nullable(),
    ttlMs: z.int().positive().optional(),
    until: z.enum(awaitedStates),
    timeoutMs: durationMs,
    isPersonal: z.boolean(),
  }),
  z.object({
    token: z.string(),
    command: z.literal("recv"),
    waitMs: durationMs,
    limit: z.int().positive(),
    isAll: z.boolean(),
    isPeek: z.boolean(),
  }),
]);

/** What a command asks. */
export type Request = z.infer<typeof requestSchema>;

/** What the command says when it has written everything that it was given. */
export const writtenLine = { written: true } as const;
export const writtenSchema = z.object({ written: z.literal(true) });

const faultSchema = z.object({ code: z.string().nullable(), message: z.string() });
/** What is answered where a request fails. */
export const failedSchema = z.object({ error: faultSchema });

/** One message as commands show it. */
export const messageSchema = z.object({
  id: z.string(),
  from: z.string().nullable(),
  verified: z.boolean(),
  type: z.string(),
  re: z.string().nullable(),
  body: jsonSchema,
  at: z.number(),
  late: z.boolean(),
  /** True for what was taken before. */
  taken: z.boolean().optional(),
});

/** The answer to `recv`. */
export const handoutSchema = z.object({
  messages: z.array(messageSchema),
  /** How many more wait. */
  more: z.int(),
});

/** What became of a message to one receiver. */
export const outcomeSchema = z.object({
  to: z.string(),
  id: z.string().optional(),
  state: z.enum([...messageStates, "refused"]),
  reason: z.string().optional(),
});

/** The answer to `send`. */
export const sentSchema = z.object({
  outcomes: z.array(outcomeSchema),
  replies: z.array(messageSchema),
  exitCode: z.int(),
});

/** One agent of a network. */
export const agentSchema = z.object({
  name: z.string(),
  state: z.enum(["online", "lost"]),
  host: z.boolean(),
  self: z.boolean(),
  role: z.string().optional(),
  activity: z.string().optional(),
  machine: z.string().optional(),
  folder: z.string().optional(),
  model: z.string().optional(),
  /** In milliseconds since 1970. */
  since: z.number(),
});

/** The answer to `agents`. */
export const agentsSchema = z.object({ agents: z.array(agentSchema) });

/** The answer to `status`. */
export const statusSchema = z.object({
  state: z.enum(["active", "suspended", "closed", "left"]),
  connected: z.boolean(),
  host: z.string(),
  unread: z.int(),
  waiting: z.int(),
  /** Whom its leaving cuts off. */
  dependents: z.array(z.string()),
});

/** The answer to `leave`. */
export const leftSchema = z.object({ left: z.literal(true), unread: z.int() });
