import { appendFileSync, readFileSync } from "node:fs";
import { z } from "zod";

/** A message as a session would be shown it. */
export const shownSchema = z.object({
  id: z.string(),
  token: z.string().nullable(),
  net: z.string().nullable(),
  fromBox: z.string().nullable(),
  seq: z.int().nullable(),
  late: z.boolean(),
});
export type Shown = z.infer<typeof shownSchema>;

const place = { network: z.string(), name: z.string() };
const verdicts = ["suspended", "resumed", "closed", "displaced"] as const;

/** One line of a history; `t` is in milliseconds since 1970, by the one clock of the machine. */
export const recordSchema = z.discriminatedUnion("kind", [
  z.object({ t: z.int(), kind: z.literal("run"), seed: z.int(), broker: z.string(), text: z.string() }),
  z.object({ t: z.int(), kind: z.literal("action"), action: z.record(z.string(), z.json()) }),
  z.object({
    t: z.int(),
    kind: z.literal("entered"),
    ...place,
    life: z.string(),
    net: z.string(),
    box: z.string(),
    role: z.enum(["host", "member"]),
    inbox: z.array(shownSchema),
  }),
  z.object({ t: z.int(), kind: z.literal("not-entered"), ...place, code: z.string().nullable(), message: z.string() }),
  z.object({
    t: z.int(),
    kind: z.literal("sending"),
    life: z.string(),
    token: z.string(),
    re: z.string().nullable(),
  }),
  z.object({
    t: z.int(),
    kind: z.literal("told"),
    life: z.string(),
    token: z.string(),
    to: z.string(),
    id: z.string().nullable(),
    state: z.string(),
    code: z.string().nullable(),
  }),
  z.object({ t: z.int(), kind: z.literal("message"), life: z.string(), shown: shownSchema }),
  z.object({ t: z.int(), kind: z.literal("injecting"), life: z.string(), ids: z.array(z.string()) }),
  z.object({
    t: z.int(),
    kind: z.literal("state"),
    life: z.string(),
    id: z.string(),
    to: z.string(),
    state: z.string(),
    reason: z.string().nullable(),
  }),
  z.object({
    t: z.int(),
    kind: z.literal("verdict"),
    life: z.string(),
    verdict: z.enum(verdicts),
    reason: z.string().nullable(),
  }),
  z.object({ t: z.int(), kind: z.literal("link"), life: z.string(), up: z.boolean() }),
  z.object({
    t: z.int(),
    kind: z.literal("trouble"),
    life: z.string(),
    code: z.string().nullable(),
    message: z.string(),
  }),
  z.object({ t: z.int(), kind: z.literal("rejected"), life: z.string(), topic: z.string(), message: z.string() }),
  z.object({ t: z.int(), kind: z.literal("out"), life: z.string() }),
  /** A process ended: `expected` where the torture killed it. */
  z.object({ t: z.int(), kind: z.literal("ended"), ...place, expected: z.boolean(), detail: z.string() }),
  z.object({ t: z.int(), kind: z.literal("quiet") }),
  /** The end of the quiet-down: what is still wrong, and how long it took until the rosters were right, and everything was. */
  z.object({
    t: z.int(),
    kind: z.literal("calm"),
    problems: z.array(z.string()),
    rostersMs: z.int().nullable(),
    allMs: z.int().nullable(),
  }),
  /** What a peer says at the very end. */
  z.object({
    t: z.int(),
    kind: z.literal("testimony"),
    ...place,
    life: z.string(),
    net: z.string(),
    box: z.string(),
    state: z.string(),
    roster: z.array(z.object({ name: z.string(), epoch: z.string(), state: z.string() })),
    inbox: z.array(shownSchema),
  }),
  /** What an inbox file holds, after everything has ended. */
  z.object({
    t: z.int(),
    kind: z.literal("inbox-file"),
    ...place,
    path: z.string(),
    net: z.string(),
    lines: z.array(shownSchema.extend({ to: z.string().nullable(), toBox: z.string().nullable() })),
  }),
  /** What an outbox file holds, after everything has ended. */
  z.object({
    t: z.int(),
    kind: z.literal("outbox-file"),
    ...place,
    path: z.string(),
    net: z.string(),
    lines: z.array(
      z.object({
        id: z.string(),
        token: z.string().nullable(),
        net: z.string(),
        fromBox: z.string(),
        to: z.string(),
        toBox: z.string(),
        seq: z.int(),
        at: z.int(),
        ttl: z.int().nullable(),
        state: z.string(),
      }),
    ),
  }),
]);
export type HistoryRecord = z.infer<typeof recordSchema>;
/** A record of one kind. */
export type RecordOf<Kind extends HistoryRecord["kind"]> = Extract<HistoryRecord, { kind: Kind }>;
type Untimed<Whole> = Whole extends HistoryRecord ? Omit<Whole, "t"> : never;

/** Writes down what happened. */
export type Note = (record: Untimed<HistoryRecord>) => void;

/**
 * Writes to a history. Several processes do that at once: each line is one write to the end of the file, and is there
 * also if the process is killed right afterwards.
 */
export function historyWriter(path: string): Note {
  return (record) => appendFileSync(path, `${JSON.stringify({ t: Date.now(), ...record })}\n`);
}

/** Reads a history. @throws ZodError where a line is none of a history */
export function readHistory(path: string): HistoryRecord[] {
  const lines = readFileSync(path, "utf8").split("\n");
  return lines.filter((line) => line !== "").map((line) => recordSchema.parse(JSON.parse(line)));
}
