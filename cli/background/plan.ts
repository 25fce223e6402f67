import { z } from "zod";
import { settingsSchema } from "../../peer/settings.ts";

/** What a background peer tells others of: see `pilink join --help`. */
export const hooksSchema = z.object({
  /** A line for the shell, run for each message. */
  onMessage: z.string().min(1).optional(),
  /** Where each event is posted. */
  webhook: z.url({ protocol: /^https?$/ }).optional(),
  /** What a webhook's posts are signed with. */
  webhookSecret: z.string().min(1).optional(),
  /** The folder in which each event becomes a file; absolute. */
  notifyDir: z.string().min(1).optional(),
});

/** See {@link hooksSchema}. */
export type HookOptions = z.infer<typeof hooksSchema>;

/** What a background peer is started with: one line on its standard input, because it holds secrets. */
export const backgroundPlanSchema = z.object({
  kind: z.enum(["join", "either"]),
  home: z.string(),
  folder: z.string(),
  network: z.string(),
  name: z.string(),
  isNameChosen: z.boolean(),
  settings: settingsSchema,
  hooks: hooksSchema,
});

/** See {@link backgroundPlanSchema}. */
export type BackgroundPlan = z.infer<typeof backgroundPlanSchema>;

/** What a background peer says on its standard output until it is in its network, one object a line. */
export const startLineSchema = z.discriminatedUnion("state", [
  z.object({ state: z.literal("waiting"), reason: z.string(), forMs: z.number() }),
  z.object({ state: z.literal("ready"), id: z.string(), notes: z.array(z.string()) }),
  z.object({ state: z.literal("failed"), code: z.string().nullable(), message: z.string() }),
]);

/** See {@link startLineSchema}. */
export type StartLine = z.infer<typeof startLineSchema>;
