import { z } from "zod";
import { awaitedStates } from "./sending.ts";

/** What a message can be. */
export const messageTypes = ["message", "task", "result", "query", "file"] as const;
/** What `pilink watch` can be limited to. */
export const watchedKinds = ["messages", "receipts", "presence", "control"] as const;

const text = z.string().optional();
const flag = z.boolean().optional();

/** Every option of every command, by its name in camel case. */
export const givenSchema = z.object({
  as: text,
  network: text,
  url: text,
  name: text,
  role: text,
  port: text,
  host: text,
  /** True where no port was named. */
  ws: z.union([z.string(), z.literal(true)]).optional(),
  json: flag,
  foreground: flag,
  create: flag,
  background: flag,
  onMessage: text,
  webhook: text,
  notifyDir: text,
  re: text,
  type: z.enum(messageTypes).optional(),
  ttl: text,
  wait: text,
  timeout: text,
  jsonBody: flag,
  limit: text,
  all: flag,
  yes: flag,
  peek: flag,
  input: flag,
  peer: text,
  grep: text,
  since: text,
  only: z.array(z.enum(watchedKinds)).optional(),
});

/** See {@link givenSchema}. */
export type Given = z.infer<typeof givenSchema>;

/** What `pilink send` can wait for. */
export const awaitedSchema = z.enum(awaitedStates);
