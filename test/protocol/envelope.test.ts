import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  bodyLimitBytes,
  checkBody,
  decodeInboxPayload,
  type Envelope,
  encodeEnvelope,
  envelopeLimitBytes,
  envelopeSchema,
} from "../../protocol/envelope.ts";
import { PilinkError } from "../../protocol/errors.ts";
import { byteLengthOf, type Json } from "../../protocol/json.ts";
import { bytesOf, envelopes, jsonValues, wildTexts } from "./arbitraries.ts";

const sample: Envelope = {
  v: 1,
  id: "m1",
  net: "n1",
  from: "dev",
  fromEpoch: "e1",
  fromBox: "b1",
  to: "prod",
  toEpoch: "e2",
  toBox: "b2",
  re: null,
  type: "message",
  body: "hello",
  seq: 1,
  base: 1,
  at: 0,
  trace: "m1",
  hops: 0,
};

function codeOf(action: () => unknown): string {
  try {
    action();
  } catch (error) {
    if (error instanceof PilinkError) return error.code;
    throw error;
  }
  return "none";
}

/** A JSON value nested that deep. */
function nested(depth: number): Json {
  let value: Json = 1;
  for (let level = 0; level < depth; level += 1) value = level % 2 === 0 ? [value] : { a: value };
  return value;
}

describe("messages by hand", () => {
  it("[ENV-1] text, numbers and JSON without `v` are bodies", () => {
    const bodies: [payload: string, body: Json][] = [
      ["build finished", "build finished"],
      ["42", 42],
      ["null", null],
      ['"quoted"', "quoted"],
      ['{"status":"failed"}', { status: "failed" }],
      ['[{"v":1}]', [{ v: 1 }]],
      ['{"v":1', '{"v":1'],
      ['{"nested":{"v":1,"body":"x"}}', { nested: { v: 1, body: "x" } }],
      ["  padded  ", "  padded  "],
      ['{"__proto__":{"v":1,"body":"x"}}', JSON.parse('{"__proto__":{"v":1,"body":"x"}}')],
    ];
    for (const [payload, body] of bodies) {
      expect(decodeInboxPayload(bytesOf(payload)), payload).toEqual({ kind: "by-hand", message: { v: 1, body } });
    }
  });

  it("[ENV-1] any text that is no JSON object with `v`", () => {
    fc.assert(
      fc.property(
        fc.oneof(
          wildTexts,
          jsonValues.map((value) => JSON.stringify(value)),
        ),
        (text) => {
          const sent = text.toWellFormed();
          fc.pre(sent !== "" && !sent.startsWith("\ufeff") && !/^\s*\{/.test(sent));
          const decoded = decodeInboxPayload(bytesOf(sent));
          expect(decoded.kind).toBe("by-hand");
          if (decoded.kind === "by-hand" && decoded.message.body !== sent) {
            expect(JSON.stringify(decoded.message.body)).toBe(JSON.stringify(JSON.parse(sent)));
          }
        },
      ),
    );
  });

  it("[ENV-4] only `v` and `body` are required, and the body may be null", () => {
    for (const body of ["x", null, 0, false, [], {}]) {
      expect(decodeInboxPayload(bytesOf(JSON.stringify({ v: 1, body })))).toEqual({
        kind: "by-hand",
        message: { v: 1, body },
      });
    }
    expect(codeOf(() => decodeInboxPayload(bytesOf('{"v":1}')))).toBe("bad-payload");
  });

  it("[ENV-4] every other field may be left out, and must fit where it is there", () => {
    fc.assert(
      fc.property(envelopes, fc.subarray(Object.keys(sample)), (envelope, kept) => {
        const fields = Object.entries(envelope).filter(([key]) => key === "v" || key === "body" || kept.includes(key));
        const message = Object.fromEntries(fields);
        const decoded = decodeInboxPayload(bytesOf(JSON.stringify(message)));
        expect(decoded.kind === "envelope" ? decoded.envelope : decoded.message).toEqual(message);
        expect(decoded.kind === "envelope").toBe(envelopeSchema.safeParse(message).success);
      }),
    );
    const wrong = {
      id: 7,
      net: "",
      from: "My Team",
      fromEpoch: null,
      fromBox: "b/c",
      to: ["prod"],
      toEpoch: {},
      toBox: "x".repeat(65),
      re: 1,
      type: "order",
      seq: 0,
      base: 1.5,
      at: -1,
      ttl: "10m",
      trace: "ä",
      hops: -1,
    };
    for (const [field, value] of Object.entries(wrong)) {
      const payload = bytesOf(JSON.stringify({ v: 1, body: "x", [field]: value }));
      expect(
        codeOf(() => decodeInboxPayload(payload)),
        field,
      ).toBe("bad-payload");
      expect(() => decodeInboxPayload(payload)).toThrow(field);
    }
  });
});

describe("[ENV-2] a sender fills every required field", () => {
  it("an envelope without one is not written", () => {
    for (const field of Object.keys(sample)) {
      const parsed = envelopeSchema.safeParse({ ...sample, [field]: undefined });
      expect(parsed.success, field).toBe(false);
    }
  });

  it("an envelope that breaks a rule is not written", () => {
    for (const wrong of [{ to: "My Team" }, { seq: 0 }, { id: "" }, { at: Number.NaN }, { hops: 0.5 }]) {
      expect(
        codeOf(() => encodeEnvelope({ ...sample, ...wrong })),
        JSON.stringify(wrong),
      ).toBe("bad-payload");
    }
  });
});

describe("[ENV-7] the limit of a body", () => {
  const multiByte = (bytes: number) => "é".repeat(Math.floor(bytes / 2)) + "x".repeat(bytes % 2);
  const bodies: [what: string, make: (bytes: number) => Json][] = [
    ["a string", (bytes) => "x".repeat(bytes)],
    ["a string of characters that take two bytes", multiByte],
    ["a string of emoji", (bytes) => "👩".repeat(Math.floor(bytes / 4)) + "x".repeat(bytes % 4)],
    ["a list", (bytes) => ["x".repeat(bytes - 4)]],
    ["an object", (bytes) => ({ a: multiByte(bytes - 8) })],
  ];

  it.each(bodies)("%s of exactly 1 MiB passes, with one byte more it does not", (_, make) => {
    const largest = make(bodyLimitBytes);
    expect(checkBody(largest)).toBe(bodyLimitBytes);
    const sent = bytesOf(encodeEnvelope({ ...sample, body: largest }));
    expect(decodeInboxPayload(sent)).toEqual({ kind: "envelope", envelope: { ...sample, body: largest } });

    const tooBig = make(bodyLimitBytes + 1);
    expect(codeOf(() => checkBody(tooBig))).toBe("too-big");
    expect(codeOf(() => encodeEnvelope({ ...sample, body: tooBig }))).toBe("too-big");
    expect(codeOf(() => decodeInboxPayload(bytesOf(JSON.stringify({ ...sample, body: tooBig }))))).toBe("too-big");
    expect(() => checkBody(tooBig)).toThrow(String(bodyLimitBytes + 1));
  });

  it("by hand: plain text, and JSON that is small once its white space is gone", () => {
    expect(decodeInboxPayload(bytesOf("x".repeat(bodyLimitBytes))).kind).toBe("by-hand");
    expect(codeOf(() => decodeInboxPayload(bytesOf("x".repeat(bodyLimitBytes + 1))))).toBe("too-big");
    const padded = `[${" ".repeat(bodyLimitBytes + 1)}1]`;
    expect(decodeInboxPayload(bytesOf(padded))).toEqual({ kind: "by-hand", message: { v: 1, body: [1] } });
  });
});

describe("[ENV-8] the limit of an envelope", () => {
  // Each NUL is one byte of the body and six of its JSON.
  const escaped = (count: number): Envelope => ({ ...sample, body: "\0".repeat(count) });
  const overhead = byteLengthOf(encodeEnvelope({ ...sample, body: "" }));
  const room = envelopeLimitBytes - overhead;

  it("a body that grows above it by escaping is refused", () => {
    const body = "\0".repeat(Math.floor(room / 6)) + "x".repeat(room % 6);
    const text = encodeEnvelope({ ...sample, body });
    expect(byteLengthOf(text)).toBe(envelopeLimitBytes);
    expect(decodeInboxPayload(bytesOf(text)).kind).toBe("envelope");
    expect(codeOf(() => encodeEnvelope({ ...sample, body: `${body}x` }))).toBe("too-big");
    expect(codeOf(() => encodeEnvelope(escaped(bodyLimitBytes)))).toBe("too-big");
  });

  it("a payload above it is rejected, whatever it holds", () => {
    const fields = JSON.stringify(sample).slice(1);
    const padded = (bytes: number) => bytesOf(`{${" ".repeat(bytes - fields.length - 1)}${fields}`);
    expect(decodeInboxPayload(padded(envelopeLimitBytes)).kind).toBe("envelope");
    expect(codeOf(() => decodeInboxPayload(padded(envelopeLimitBytes + 1)))).toBe("too-big");
  });
});

describe("[ENV-10] the limit of nesting", () => {
  it("an envelope of 200 levels passes, one of 201 does not", () => {
    const deepest = { ...sample, body: nested(199) };
    expect(decodeInboxPayload(bytesOf(encodeEnvelope(deepest)))).toEqual({ kind: "envelope", envelope: deepest });
    for (const depth of [200, 201, 5_000, 100_000]) {
      const tooDeep = { ...sample, body: nested(depth) };
      expect(
        codeOf(() => encodeEnvelope(tooDeep)),
        String(depth),
      ).toBe("bad-payload");
    }
  });

  it("brackets in a string are no nesting", () => {
    const body = '["{'.repeat(1_000);
    expect(decodeInboxPayload(bytesOf(encodeEnvelope({ ...sample, body })))).toMatchObject({ envelope: { body } });
    expect(decodeInboxPayload(bytesOf(JSON.stringify([body])))).toMatchObject({ message: { body: [body] } });
  });

  it("what was accepted by hand fits into an envelope", () => {
    fc.assert(
      fc.property(fc.nat({ max: 210 }), (depth) => {
        const payload = bytesOf(JSON.stringify(nested(depth)));
        const taken = codeOf(() => decodeInboxPayload(payload)) === "none";
        expect(taken).toBe(depth < 200);
        expect(codeOf(() => encodeEnvelope({ ...sample, body: nested(depth) })) === "none").toBe(taken);
      }),
    );
  });
});

describe("bodies that are no JSON", () => {
  it("are refused with `bad-payload`", () => {
    const circular: Record<string, unknown> = {};
    circular.self = circular;
    for (const body of [undefined, () => 1, Symbol("x"), 1n, circular, { deep: 1n }]) {
      expect(codeOf(() => checkBody(body))).toBe("bad-payload");
    }
  });
});
