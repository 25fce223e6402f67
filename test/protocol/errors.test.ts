import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { errorCodes, messageOf, PilinkError, quoteValue } from "../../protocol/errors.ts";
import { wildTexts } from "./arbitraries.ts";

const unprintable = /[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]/u;

class Hostile {
  get [Symbol.toStringTag](): string {
    throw new Error("hostile");
  }
  toJSON(): never {
    throw new Error("hostile");
  }
  toString(): never {
    throw new Error("hostile");
  }
}

function revokedProxy(): object {
  const { proxy, revoke } = Proxy.revocable({}, {});
  revoke();
  return proxy;
}

describe("[ERR-1] errors", () => {
  it("carry a code, the value and the cause", () => {
    const cause = new Error("below");
    const error = new PilinkError("bad-name", "what happened", { value: "_x", cause });
    expect(error).toBeInstanceOf(Error);
    expect(error).toMatchObject({
      name: "PilinkError",
      code: "bad-name",
      value: "_x",
      message: "what happened",
      cause,
    });
    expect(new PilinkError("cancelled", "x").value).toBeUndefined();
  });

  it("have codes of one form, each with a sentence", () => {
    for (const [code, sentence] of Object.entries(errorCodes)) {
      expect(code).toMatch(/^[a-z]+(-[a-z0-9]+)*$/);
      expect(sentence).toMatch(/^[A-Z][^|]*\.$/);
    }
  });
});

describe("[ERR-1] a value inside a message", () => {
  it("never throws, is one printable line, and keeps the limit", () => {
    fc.assert(
      fc.property(
        fc.oneof(wildTexts, fc.anything({ withBigInt: true, withSparseArray: true, withNullPrototype: true })),
        fc.integer({ min: 1, max: 100 }),
        (value, limit) => {
          const text = quoteValue(value, limit);
          expect(text).not.toMatch(unprintable);
          expect(text.length).toBeLessThanOrEqual(limit);
        },
      ),
      { numRuns: 1_000 },
    );
  });

  it("is there for what cannot be shown", () => {
    const circular: unknown[] = [];
    circular.push(circular);
    const values = [
      undefined,
      null,
      1n,
      Symbol("\x1b[2J"),
      circular,
      new Hostile(),
      revokedProxy(),
      () => 1,
      Number.NaN,
    ];
    for (const value of values) {
      const text = quoteValue(value);
      expect(text).not.toBe("");
      expect(text).not.toMatch(unprintable);
    }
    const deep: unknown[] = [];
    let inner = deep;
    for (let level = 0; level < 100_000; level += 1) {
      const next: unknown[] = [];
      inner.push(next);
      inner = next;
    }
    expect(quoteValue(deep).length).toBeLessThanOrEqual(80);
  });

  it("shows a text in quotes, shortened", () => {
    expect(quoteValue("dev")).toBe('"dev"');
    expect(quoteValue("x".repeat(200))).toHaveLength(80);
    expect(quoteValue("a\x1b[31mb\u202ec\u2028d")).not.toMatch(unprintable);
  });
});

describe("the message of what was thrown", () => {
  it("is there for anything", () => {
    expect(messageOf(new Error("why"))).toBe("why");
    expect(messageOf("why")).toBe("why");
    for (const thrown of [undefined, null, 1n, Object.create(null), new Hostile(), revokedProxy(), Symbol("x")]) {
      expect(messageOf(thrown)).toBeTypeOf("string");
    }
  });
});
