import fc from "fast-check";
import type { Control } from "../../protocol/control.ts";
import { type Envelope, messageTypes } from "../../protocol/envelope.ts";
import type { Json } from "../../protocol/json.ts";
import type { ClosingMark, Presence } from "../../protocol/presence.ts";
import { type Receipt, receiptStates } from "../../protocol/receipt.ts";
import type { TopicParts } from "../../protocol/topics.ts";

/** Any id. */
export const ids = fc.stringMatching(/^[A-Za-z0-9_-]{1,64}$/);
/** Any name. */
export const names = fc.stringMatching(/^[a-z0-9-][a-z0-9_-]{0,63}$/);
/** Any moment. */
export const times = fc.nat({ max: Number.MAX_SAFE_INTEGER });
/** Any whole number from 1. */
export const counts = fc.integer({ min: 1, max: Number.MAX_SAFE_INTEGER });
/** Any text, also with lone surrogates, control characters and escape sequences. */
export const wildTexts = fc.oneof(
  fc.string({ unit: "binary" }),
  fc.string({ unit: "grapheme" }),
  fc.array(fc.integer({ min: 0, max: 0xffff }), { maxLength: 60 }).map((codes) => String.fromCharCode(...codes)),
  fc
    .array(
      fc.constantFrom(
        ..."\x1b[]();?0123456789;mHJKPX^_\\\x07\x9b\x9d\x9c\x90\r\n\t\b\0\x7f\u202e\u2066\u200b\u200d\ufeff\u2028ab 👩‍💻",
        "\u{e0041}",
        "\ud83d",
        "\u0085",
      ),
      { maxLength: 60 },
    )
    .map((parts) => parts.join("")),
);
/** Any JSON value as JSON.parse gives it, also with keys such as `__proto__`. */
export const jsonValues: fc.Arbitrary<Json> = fc
  .oneof(
    fc.json({ maxDepth: 6 }),
    wildTexts.map((text) => JSON.stringify(text)),
    fc.constantFrom('{"__proto__":{"v":1}}', '{"constructor":{"prototype":1},"toString":null}', "[[[]]]", '""'),
  )
  .map((text) => JSON.parse(text));

/** Any complete envelope. */
export const envelopes: fc.Arbitrary<Envelope> = fc.record(
  {
    v: fc.constant(1 as const),
    id: ids,
    net: ids,
    from: names,
    fromEpoch: ids,
    fromBox: ids,
    to: names,
    toEpoch: ids,
    toBox: ids,
    re: fc.option(ids),
    type: fc.constantFrom(...messageTypes),
    body: jsonValues,
    seq: counts,
    base: counts,
    at: times,
    ttl: counts,
    trace: ids,
    hops: times,
  },
  {
    requiredKeys: [
      "v",
      "id",
      "net",
      "from",
      "fromEpoch",
      "fromBox",
      "to",
      "toEpoch",
      "toBox",
      "re",
      "type",
      "body",
      "seq",
      "base",
      "at",
      "trace",
      "hops",
    ],
  },
);

const shortTexts = wildTexts.filter((text) => text.length <= 200);

/** Any presence record. */
export const presences: fc.Arbitrary<Presence> = fc.record(
  {
    v: fc.constant(1 as const),
    state: fc.constantFrom("online" as const, "lost" as const, "left" as const),
    net: ids,
    epoch: ids,
    conn: counts,
    box: ids,
    kind: fc.constantFrom("host" as const, "member" as const),
    keepalive: counts,
    since: times,
    role: shortTexts,
    machine: shortTexts,
    folder: shortTexts,
    model: shortTexts,
    activity: shortTexts,
    about: shortTexts,
  },
  { requiredKeys: ["v", "state", "net", "epoch", "conn", "box", "kind", "keepalive", "since"] },
);

/** Any closing mark. */
export const closingMarks: fc.Arbitrary<ClosingMark> = fc.record({
  v: fc.constant(1 as const),
  state: fc.constant("closed" as const),
  net: ids,
  by: names,
  at: times,
});

/** Any receipt. */
export const receipts: fc.Arbitrary<Receipt> = fc.record(
  {
    v: fc.constant(1 as const),
    net: ids,
    id: ids,
    state: fc.constantFrom(...receiptStates),
    from: names,
    epoch: ids,
    box: ids,
    at: times,
    reason: shortTexts,
  },
  { requiredKeys: ["v", "net", "id", "state", "from", "epoch", "box", "at"] },
);

const base = { v: fc.constant(1 as const), from: names, epoch: ids };
const question = { ...base, id: ids };
const answer = { ...base, re: ids, net: ids };

/** Any control payload. */
export const controls: fc.Arbitrary<Control> = fc.oneof(
  fc.record({ type: fc.constant("claim" as const), ...base }),
  fc.record(
    { type: fc.constant("join" as const), ...question, box: ids, former: ids, at: times },
    { requiredKeys: ["type", "v", "from", "epoch", "id", "box", "at"] },
  ),
  fc.record(
    { type: fc.constant("joined" as const), ...answer, name: names, at: times, about: shortTexts },
    { requiredKeys: ["type", "v", "from", "epoch", "re", "net", "name", "at"] },
  ),
  fc.record(
    {
      type: fc.constant("refused" as const),
      ...answer,
      code: fc.constant("name-taken" as const),
      reason: shortTexts,
      offer: names,
    },
    { requiredKeys: ["type", "v", "from", "epoch", "re", "net", "code", "reason"] },
  ),
  fc.record({ type: fc.constant("ping" as const), ...question, net: fc.option(ids) }),
  fc.record({ type: fc.constant("pong" as const), ...answer, conn: counts, at: times }),
  fc.record({ type: fc.constant("whose" as const), ...question, net: ids, name: names }),
  fc.record({
    type: fc.constant("granted" as const),
    ...answer,
    name: names,
    to: fc.option(fc.record({ epoch: ids, box: ids })),
  }),
  fc.record({
    type: fc.constant("missing" as const),
    ...base,
    net: ids,
    box: ids,
    seqs: fc.array(counts, { minLength: 1, maxLength: 200 }),
  }),
  fc.record({ type: fc.constant("probe" as const), ...question }),
);

/** Any topic of the protocol in its parts. */
export const topics: fc.Arbitrary<TopicParts> = fc.oneof(
  fc.record({
    network: names,
    peer: names,
    channel: fc.constantFrom("inbox" as const, "presence" as const, "receipts" as const, "control" as const),
  }),
  fc.record({
    network: names,
    peer: fc.constant("_all"),
    channel: fc.constantFrom("presence" as const, "control" as const),
  }),
);

/** The bytes of a text in UTF-8. */
export function bytesOf(text: string): Uint8Array {
  return new TextEncoder().encode(text);
}
