import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { z } from "zod";
import type { RecordOf } from "./history.ts";

const bodySchema = z.object({ token: z.string() });
const envelopeSchema = z.object({
  id: z.string().optional(),
  net: z.string().optional(),
  fromBox: z.string().optional(),
  to: z.string().optional(),
  toBox: z.string().optional(),
  seq: z.int().optional(),
  body: z.json().optional(),
});
const inLineSchema = z.object({ op: z.literal("in"), id: z.string(), envelope: envelopeSchema });
const outLineSchema = z.object({
  op: z.literal("out"),
  envelope: envelopeSchema.required().extend({ at: z.int(), ttl: z.int().optional() }),
});
const stateLineSchema = z.object({ op: z.literal("state"), id: z.string(), state: z.string() });

type FileRecord = Omit<RecordOf<"inbox-file">, "t"> | Omit<RecordOf<"outbox-file">, "t">;

/** Reads every inbox and outbox file of a peer, those of earlier instances included. */
export function collectFiles(home: string, network: string, name: string): FileRecord[] {
  const root = join(home, "networks");
  if (!existsSync(root)) return [];
  const paths = readdirSync(root, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && /^(inbox|outbox)\.jsonl$/.test(entry.name))
    .map((entry) => join(entry.parentPath, entry.name))
    .filter((path) => {
      const [folder = "", peer] = path.slice(root.length + 1).split("/");
      return (folder === network || folder.startsWith(`${network}@`)) && peer === name;
    });
  return paths.map((path) => {
    const about = { network, name, path, net: netOf(path) };
    return path.endsWith("/inbox.jsonl")
      ? { kind: "inbox-file", ...about, lines: readInbox(path) }
      : { kind: "outbox-file", ...about, lines: readOutbox(path) };
  });
}

/** The instance that a file belongs to: the folder it was put aside into says it, or else the box beside it. */
function netOf(path: string): string {
  const earlier = /\/earlier\/([^/]+?)(?:-\d+)?\/[^/]+$/.exec(path)?.[1];
  if (earlier !== undefined) return earlier;
  const box = z.object({ net: z.string().nullable() });
  return box.parse(JSON.parse(readFileSync(join(path, "..", "box.json"), "utf8"))).net ?? "none";
}

function linesOf(path: string): unknown[] {
  const text = readFileSync(path, "utf8");
  // A line without an end was cut short by a crash: it does not count.
  const lines = text.slice(0, text.lastIndexOf("\n") + 1).split("\n");
  return lines.filter((line) => line !== "").map((line) => JSON.parse(line));
}

function readInbox(path: string): RecordOf<"inbox-file">["lines"] {
  return linesOf(path).flatMap((line) => {
    const read = inLineSchema.safeParse(line).data;
    if (read === undefined) return [];
    const { net, fromBox, to, toBox, seq, body } = read.envelope;
    return {
      id: read.id,
      token: bodySchema.safeParse(body).data?.token ?? null,
      net: net ?? null,
      fromBox: fromBox ?? null,
      seq: seq ?? null,
      late: false,
      to: to ?? null,
      toBox: toBox ?? null,
    };
  });
}

function readOutbox(path: string): RecordOf<"outbox-file">["lines"] {
  const entries = new Map<string, RecordOf<"outbox-file">["lines"][number]>();
  for (const line of linesOf(path)) {
    const out = outLineSchema.safeParse(line).data;
    if (out !== undefined) {
      const { body, ttl, ...envelope } = out.envelope;
      const token = bodySchema.safeParse(body).data?.token ?? null;
      entries.set(envelope.id, { ...envelope, token, ttl: ttl ?? null, state: "queued" });
      continue;
    }
    const moved = stateLineSchema.safeParse(line).data;
    const entry = moved === undefined ? undefined : entries.get(moved.id);
    if (moved !== undefined && entry !== undefined) entry.state = moved.state;
  }
  return [...entries.values()];
}
