import { z } from "zod";

const optionsSchema = z.object({
  network: z.string(),
  name: z.string(),
  home: z.string(),
  url: z.string(),
  folder: z.string(),
  keepaliveMs: z.int(),
  closingMs: z.int(),
});

/** What the torture asks of an actor's process. */
export const askSchema = z.discriminatedUnion("call", [
  z.object({
    id: z.int(),
    call: z.literal("enter"),
    options: optionsSchema,
    creates: z.boolean(),
    /** Hand every message to a session at once. */
    injects: z.boolean(),
  }),
  z.object({
    id: z.int(),
    call: z.literal("send"),
    to: z.union([z.array(z.string()), z.literal("all")]),
    token: z.string(),
    padBytes: z.int(),
    ttlMs: z.int().nullable(),
    answers: z.boolean(),
  }),
  z.object({ id: z.int(), call: z.enum(["look", "testify", "leave"]) }),
]);
type Ask = z.infer<typeof askSchema>;
type Numberless<Whole> = Whole extends Ask ? Omit<Whole, "id"> : never;
/** What is asked, without the number of the question. */
export type Asked = Numberless<Ask>;

const lookSchema = z.object({
  epoch: z.string(),
  net: z.string(),
  state: z.string(),
  connected: z.boolean(),
  waiting: z.int(),
  roster: z.array(z.object({ name: z.string(), epoch: z.string(), state: z.string() })),
});
/** What an actor sees of its network at this moment. */
export type Look = z.infer<typeof lookSchema>;

/** What an actor's process says. */
export const reportSchema = z.union([
  z.object({ event: z.literal("out") }),
  z.object({ re: z.int(), error: z.object({ code: z.string().nullable(), message: z.string() }) }),
  z.object({ re: z.int(), value: lookSchema.nullable() }),
]);
