import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { decodeControl, encodeControl } from "../../protocol/control.ts";
import { decodeInboxPayload, encodeEnvelope } from "../../protocol/envelope.ts";
import { errorCodes, PilinkError } from "../../protocol/errors.ts";
import { decodeClosingMark, decodePresence, encodeClosingMark, encodePresence } from "../../protocol/presence.ts";
import { decodeReceipt, encodeReceipt } from "../../protocol/receipt.ts";
import { formatTopic, parseTopic } from "../../protocol/topics.ts";
import {
  bytesOf,
  closingMarks,
  controls,
  envelopes,
  jsonValues,
  presences,
  receipts,
  topics,
  wildTexts,
} from "./arbitraries.ts";

const codecs: [what: string, decode: (payload: Uint8Array) => unknown, valid: fc.Arbitrary<string>][] = [
  ["envelope", decodeInboxPayload, envelopes.map(encodeEnvelope)],
  ["presence", decodePresence, presences.map(encodePresence)],
  ["closing mark", decodeClosingMark, closingMarks.map(encodeClosingMark)],
  ["receipt", decodeReceipt, receipts.map(encodeReceipt)],
  ["control", decodeControl, controls.map(encodeControl)],
];

/** Runs a decoder; only a PilinkError with a code of the table may come out of it. */
function decodeOrReject(decode: (payload: Uint8Array) => unknown, payload: Uint8Array): string {
  try {
    decode(payload);
    return "decoded";
  } catch (error) {
    if (!(error instanceof PilinkError)) throw error;
    expect(Object.keys(errorCodes)).toContain(error.code);
    expect(error.message).not.toMatch(/[\p{Cc}\u2028\u2029]/u);
    return error.code;
  }
}

describe("decode(encode(x)) = x", () => {
  it("envelope", () => {
    fc.assert(
      fc.property(envelopes, (envelope) => {
        expect(decodeInboxPayload(bytesOf(encodeEnvelope(envelope)))).toEqual({ kind: "envelope", envelope });
      }),
    );
  });
  it("presence", () => {
    fc.assert(
      fc.property(presences, (presence) => {
        expect(decodePresence(bytesOf(encodePresence(presence)))).toEqual(presence);
      }),
    );
  });
  it("closing mark", () => {
    fc.assert(
      fc.property(closingMarks, (mark) => {
        expect(decodeClosingMark(bytesOf(encodeClosingMark(mark)))).toEqual(mark);
      }),
    );
  });
  it("receipt", () => {
    fc.assert(
      fc.property(receipts, (receipt) => {
        expect(decodeReceipt(bytesOf(encodeReceipt(receipt)))).toEqual(receipt);
      }),
    );
  });
  it("control", () => {
    fc.assert(
      fc.property(controls, (control) => {
        expect(decodeControl(bytesOf(encodeControl(control)))).toEqual(control);
      }),
    );
  });
  it("topics", () => {
    fc.assert(
      fc.property(topics, (parts) => {
        expect(parseTopic(formatTopic(parts.network, parts.peer, parts.channel))).toEqual(parts);
      }),
    );
  });
});

describe.each(codecs)("[ENV-11] no input makes decoding of %s fail but by a PilinkError", (what, decode, valid) => {
  it("any bytes", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 400 }), (payload) => {
        decodeOrReject(decode, payload);
      }),
    );
  });

  it("any text, and any JSON", () => {
    fc.assert(
      fc.property(
        fc.oneof(
          wildTexts,
          jsonValues.map((value) => JSON.stringify(value)),
          fc.json(),
        ),
        (text) => {
          decodeOrReject(decode, bytesOf(text));
        },
      ),
    );
  });

  it("any JSON object with `v`", () => {
    fc.assert(
      fc.property(fc.dictionary(fc.string(), jsonValues), fc.oneof(fc.constant(1), jsonValues), (fields, v) => {
        const outcome = decodeOrReject(decode, bytesOf(JSON.stringify({ ...fields, v })));
        if (v !== 1) expect(outcome).toBe("unknown-version");
      }),
    );
  });

  it("valid payloads with fields replaced, taken out and put in", () => {
    fc.assert(
      fc.property(valid, fc.nat(), jsonValues, fc.string(), (text, at, value, key) => {
        const fields: Record<string, unknown> = JSON.parse(text);
        const chosen = Object.keys(fields)[at % Object.keys(fields).length] ?? "v";
        decodeOrReject(decode, bytesOf(JSON.stringify({ ...fields, [chosen]: value })));
        decodeOrReject(decode, bytesOf(JSON.stringify({ ...fields, [chosen]: undefined })));
        decodeOrReject(decode, bytesOf(`{${JSON.stringify(key)}:${JSON.stringify(value)},${text.slice(1)}`));
      }),
    );
  });

  it("valid payloads cut, and with a byte changed", () => {
    fc.assert(
      fc.property(valid, fc.nat(), fc.nat({ max: 255 }), (text, at, byte) => {
        const bytes = bytesOf(text);
        decodeOrReject(decode, bytes.subarray(0, at % bytes.length));
        bytes[at % bytes.length] = byte;
        decodeOrReject(decode, bytes);
      }),
    );
  });

  it("[ENV-3] unknown fields change nothing", () => {
    const known = new Set(["body", "v"]);
    fc.assert(
      fc.property(valid, fc.string(), jsonValues, (text, key, value) => {
        const fields: Record<string, unknown> = JSON.parse(text);
        const fresh = `x${key}`;
        fc.pre(!known.has(fresh));
        expect(decode(bytesOf(JSON.stringify({ ...fields, [fresh]: value })))).toEqual(decode(bytesOf(text)));
      }),
    );
    const [text] = fc.sample(valid, 1);
    expect(decode(bytesOf(`{"__proto__":{"v":2,"polluted":true},${text?.slice(1)}`))).toEqual(
      decode(bytesOf(text ?? "")),
    );
    expect(Object.hasOwn(Object.prototype, "polluted")).toBe(false);
  });

  it("[ENV-5] another version", () => {
    for (const v of [0, 2, "1", null, [1], true, 1.5]) {
      expect(decodeOrReject(decode, bytesOf(JSON.stringify({ v, body: "x" })))).toBe("unknown-version");
    }
  });

  it("[ENV-6] an object of this version that is none of ours", () => {
    for (const fields of [{}, { state: "open" }, { type: 7 }, { from: "_all" }, { id: "a b" }]) {
      expect(decodeOrReject(decode, bytesOf(JSON.stringify({ v: 1, ...fields })))).toBe("bad-payload");
    }
  });

  it("[ENV-9] invalid UTF-8", () => {
    for (const bytes of [
      [0xff],
      [0xc3, 0x28],
      [0xe2, 0x82],
      [0xed, 0xa0, 0x80],
      [0xf8, 0x88, 0x80, 0x80, 0x80],
      [0xc0, 0x80],
    ]) {
      expect(decodeOrReject(decode, Uint8Array.from(bytes))).toBe("bad-payload");
      expect(
        decodeOrReject(decode, Buffer.concat([bytesOf('{"v":1,"body":"'), Buffer.from(bytes), bytesOf('"}')])),
      ).toBe("bad-payload");
    }
  });

  it("[ENV-9] [ENV-8] 10 MiB", () => {
    const long = "x".repeat(10 * 1024 * 1024);
    const expected = what === "envelope" ? "too-big" : "bad-payload";
    for (const text of [long, JSON.stringify(long), JSON.stringify({ v: 1, body: long }), `{"v":1,"${long}":1}`]) {
      expect(decodeOrReject(decode, bytesOf(text))).toBe(expected);
    }
  });

  it("[ENV-10] deep nesting", () => {
    for (const depth of [201, 10_000, 500_000]) {
      expect(decodeOrReject(decode, bytesOf(`${"[".repeat(depth)}${"]".repeat(depth)}`))).toBe("bad-payload");
      const object = `{"v":1,"body":${'{"a":'.repeat(depth)}1${"}".repeat(depth)}}`;
      expect(["bad-payload", "too-big"]).toContain(decodeOrReject(decode, bytesOf(object)));
    }
  });

  it("an empty payload", () => {
    expect(decodeOrReject(decode, new Uint8Array())).toBe("bad-payload");
  });
});

describe("topics", () => {
  it("[NAME-1] parsing any text gives its parts or `bad-topic`", () => {
    const levels = fc.constantFrom(
      "pilink",
      "lab",
      "dev",
      "_all",
      "inbox",
      "presence",
      "control",
      "",
      "+",
      "#",
      "__proto__",
    );
    fc.assert(
      fc.property(
        fc.oneof(
          wildTexts,
          fc.array(levels).map((each) => each.join("/")),
        ),
        (text) => {
          try {
            const { network, peer, channel } = parseTopic(text);
            expect(formatTopic(network, peer, channel)).toBe(text);
          } catch (error) {
            expect(error).toMatchObject({ name: "PilinkError", code: "bad-topic" });
          }
        },
      ),
    );
  });

  it("[NAME-1] what is near a topic is none", () => {
    for (const text of [
      "pilink/lab/dev",
      "pilink/lab/dev/inbox/",
      "/pilink/lab/dev/inbox",
      "PILINK/lab/dev/inbox",
      "pilink/_lab/dev/inbox",
      "pilink/lab/_dev/inbox",
      "pilink/_all/dev/inbox",
      "pilink/lab/_all/inbox",
      "pilink/lab/_all/receipts",
      "pilink/lab/+/presence",
      "pilink/lab/#",
      "pilink/lab/dev/toString",
      "pilink/lab/dev/Inbox",
      "pilink//dev/inbox",
      "pilink/Lab/dev/inbox",
    ]) {
      expect(() => parseTopic(text), text).toThrow(expect.objectContaining({ code: "bad-topic" }));
    }
  });

  it("writing refuses what cannot stand in a topic, and takes `+` for a peer", () => {
    expect(formatTopic("lab", "+", "presence")).toBe("pilink/lab/+/presence");
    for (const [network, peer] of [
      ["+", "dev"],
      ["lab", "#"],
      ["lab", "a/b"],
      ["_all", "dev"],
      ["", "dev"],
      ["lab", ""],
    ]) {
      expect(() => formatTopic(network ?? "", peer ?? "", "inbox")).toThrow(
        expect.objectContaining({ code: "bad-topic" }),
      );
    }
    expect(() => formatTopic("lab", "_all", "inbox")).toThrow(expect.objectContaining({ code: "bad-topic" }));
  });
});
