import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { z } from "zod";
import type { Json } from "../protocol/json.ts";
import { absentCodes, hasCode, listNames, unusable } from "../store/folder.ts";
import { isRolled } from "../store/rolling-file.ts";
import { auditFile } from "./audit.ts";
import { networksFolder } from "./state.ts";

const jsonSchema = z.custom<Json>((value) => value !== undefined);

const lineSchema = z.discriminatedUnion("op", [
  z.object({
    op: z.enum(["out", "in"]),
    at: z.number(),
    id: z.string(),
    peer: z.string().nullable(),
    verified: z.boolean().optional(),
    envelope: z.object({ body: jsonSchema, type: z.string().optional(), re: z.string().nullable().optional() }),
  }),
  z.object({
    op: z.literal("state"),
    at: z.number(),
    id: z.string(),
    of: z.enum(["out", "in"]),
    state: z.string(),
    reason: z.string().optional(),
  }),
  z.object({ op: z.literal("gap"), at: z.number(), lines: z.number() }),
]);

/** One message of an audit, with the last that is known of it. Times are in milliseconds since 1970. */
export interface RecordedMessage {
  at: number;
  network: string;
  /** The peer of this machine that sent or got it. */
  name: string;
  direction: "out" | "in";
  id: string;
  /** The other side; null where nobody is known to have sent it. */
  peer: string | null;
  verified: boolean;
  type: string;
  re: string | null;
  body: Json;
  state: string;
  reason: string | null;
  /** Every state that it went through, in order. */
  states: { at: number; state: string }[];
}

/** Which audits are read. */
export interface AuditChoice {
  network: string | undefined;
  name: string | undefined;
  sinceMs: number;
}

/**
 * Reads the audits of a home, those of earlier networks included.
 *
 * @returns the messages by time, and how many lines could not be read
 * @throws PilinkError `state-unusable` where a file that is there cannot be opened
 */
export async function readAudits(
  home: string,
  { network, name, sinceMs }: AuditChoice,
): Promise<{ messages: RecordedMessage[]; unreadable: number }> {
  const root = networksFolder(home);
  const messages: RecordedMessage[] = [];
  let unreadable = 0;
  for (const folder of await listNames(root, absentCodes)) {
    const shown = folder.replace(/@.*$/, "");
    if (network !== undefined && shown !== network) continue;
    for (const peer of await listNames(join(root, folder), absentCodes)) {
      if (name !== undefined && peer !== name) continue;
      const path = join(root, folder, peer);
      const earlier = (await listNames(join(path, "earlier"), absentCodes)).map((other) =>
        join(path, "earlier", other),
      );
      for (const place of [...earlier, path]) {
        const read = await readAudit(place, shown, peer);
        unreadable += read.unreadable;
        for (const message of read.messages) if (message.at >= sinceMs) messages.push(message);
      }
    }
  }
  return { messages: orderByTime(messages), unreadable };
}

/** By time. What was sent comes before its arrival, and a question before its answer, also within one millisecond. */
function orderByTime(messages: readonly RecordedMessage[]): RecordedMessage[] {
  const byTime = messages.toSorted((a, b) => a.at - b.at);
  const firstPlaces = new Map<string, number>();
  for (const [place, { id }] of byTime.entries()) if (!firstPlaces.has(id)) firstPlaces.set(id, place);
  const placeOf = ({ id }: RecordedMessage) => firstPlaces.get(id) ?? 0;
  const rankOf = ({ direction }: RecordedMessage) => (direction === "out" ? 0 : 1);
  return byTime.sort((a, b) => a.at - b.at || placeOf(a) - placeOf(b) || rankOf(a) - rankOf(b));
}

async function readAudit(folder: string, network: string, name: string) {
  const files = (await listNames(folder, absentCodes)).filter((file) => isRolled(file, auditFile)).sort(byAge);
  const held = new Map<string, RecordedMessage>();
  let unreadable = 0;
  for (const file of files) {
    // The last line may be half written at this moment.
    const text = (await readText(join(folder, file))).replace(/[^\n]*$/, "");
    for (const line of text.split("\n")) {
      if (line === "") continue;
      const read = lineSchema.safeParse(parse(line)).data;
      if (read === undefined) unreadable += 1;
      else if (read.op === "state") noteState(held.get(`${read.of} ${read.id}`), read);
      else if (read.op !== "gap") held.set(`${read.op} ${read.id}`, messageOf(read, network, name));
    }
  }
  return { messages: [...held.values()], unreadable };
}

function noteState(
  message: RecordedMessage | undefined,
  { at, state, reason }: { at: number; state: string; reason?: string | undefined },
): void {
  if (message === undefined) return;
  message.state = state;
  message.reason = reason ?? null;
  message.states.push({ at, state });
}

function messageOf(
  { op, at, id, peer, verified = true, envelope }: Extract<z.infer<typeof lineSchema>, { op: "out" | "in" }>,
  network: string,
  name: string,
): RecordedMessage {
  const { body, type = "message", re = null } = envelope;
  const state = op === "out" ? "queued" : "unread";
  return { at, network, name, direction: op, id, peer, verified, type, re, body, state, reason: null, states: [] };
}

/** `audit.4.jsonl` before `audit.1.jsonl` before `audit.jsonl`. */
function byAge(one: string, other: string): number {
  const number = (file: string) => Number(/\.(\d+)\.jsonl$/.exec(file)?.[1] ?? 0);
  return number(other) - number(one);
}

function parse(line: string): unknown {
  try {
    return JSON.parse(line);
  } catch {
    return undefined;
  }
}

async function readText(path: string): Promise<string> {
  try {
    return await readFile(path, "utf8");
  } catch (error) {
    // It was rolled or removed between the two looks.
    if (hasCode(error, "ENOENT")) return "";
    throw unusable(path, error);
  }
}
