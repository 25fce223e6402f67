import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { clientIdOf, idSchema, newBox, newEpoch, newId } from "../../protocol/ids.ts";
import { isName, makeName, nameLengthLimit, nextName, parseName } from "../../protocol/names.ts";
import { ids, names, wildTexts } from "./arbitraries.ts";

const texts = fc.oneof(wildTexts, names, fc.string({ unit: fc.constantFrom(..."aZ9-_. /+#äİﬀＡ＿\t") }));

/** The name, or undefined where it was refused as it should be. */
function parseOrRefuse(text: string): string | undefined {
  try {
    return parseName(text);
  } catch (error) {
    expect(error).toMatchObject({ name: "PilinkError", code: "bad-name", value: text });
    return undefined;
  }
}

describe("names", () => {
  it("[NAME-2] what is one, and what is none", () => {
    for (const name of ["a", "0", "-", "dev", "dev_2", "a-b", "-a", "a_", "x".repeat(64), "constructor"]) {
      expect(isName(name), name).toBe(true);
      expect(parseName(name)).toBe(name);
    }
    for (const text of ["", "_", "_x", "A", "a b", "a.b", "a/b", "+", "#", "$sys", "é", "a\n", "a\0", "x".repeat(65)]) {
      expect(isName(text), text).toBe(false);
    }
  });

  it("[NAME-2] fast-check's names and isName agree", () => {
    fc.assert(fc.property(names, (name) => isName(name)));
    fc.assert(fc.property(texts, (text) => isName(text) === /^[a-z0-9-][a-z0-9_-]{0,63}$/.test(text)));
  });

  it("[NAME-4] what is typed becomes a name where that is obvious", () => {
    const typed = {
      "My Team": "my-team",
      "  dev  ": "dev",
      DEV: "dev",
      "a.b": "a-b",
      "a \t b": "a-b",
      "Café Crème": "cafe-creme",
      "v1.2.3": "v1-2-3",
      İstanbul: "istanbul",
    };
    for (const [text, name] of Object.entries(typed)) expect(parseName(text), text).toBe(name);
  });

  it("[NAME-4] anything else is refused, with the text and an example that works", () => {
    for (const text of [
      "",
      "   ",
      ".",
      "...",
      "a/b",
      "dev+",
      "#",
      "+",
      "a,b",
      "日本",
      "x".repeat(65),
      "a\0b",
      "\x1b[31m",
    ]) {
      expect(() => parseName(text), text).toThrow(expect.objectContaining({ code: "bad-name" }));
    }
    expect(() => parseName("a/b")).toThrow('"a/b"');
    expect(() => parseName("a/b")).toThrow('"a-b"');
    expect(() => parseName("a/b", "network")).toThrow("network name");
  });

  it("[NAME-3] reserved names are refused", () => {
    for (const text of ["_x", "_all", " _x", "_", "__proto__", "_channel_dev", "＿x"]) {
      expect(() => parseName(text), text).toThrow(expect.objectContaining({ code: "bad-name" }));
      expect(isName(text)).toBe(false);
    }
    expect(() => parseName("_all", "network")).toThrow("reserved");
  });

  it("[NAME-4] parsing gives a name or `bad-name`, and a name stays as it is", () => {
    fc.assert(
      fc.property(texts, (text) => {
        const name = parseOrRefuse(text);
        if (name === undefined) return;
        expect(isName(name)).toBe(true);
        expect(parseName(name)).toBe(name);
      }),
    );
  });

  it("[NAME-5] a name is made of anything, and making it again changes nothing", () => {
    fc.assert(
      fc.property(texts, (text) => {
        const name = makeName(text);
        expect(isName(name)).toBe(true);
        expect(makeName(name)).toBe(name);
        expect(parseName(name)).toBe(name);
      }),
    );
    expect(makeName("My Team!")).toBe("my-team");
    expect(makeName("_private_")).toBe("private_");
    expect(makeName("/home/x/проект")).toBe("home-x");
    expect(makeName("日本", "shop")).toBe("shop");
    expect(makeName("")).toBe("agent");
    expect(makeName(`${"a".repeat(63)} b`)).toBe("a".repeat(63));
    expect(makeName("x".repeat(1_000))).toBe("x".repeat(nameLengthLimit));
  });

  it("[NAME-6] the next name is a name that was not tried before", () => {
    fc.assert(
      fc.property(names, (name) => {
        const tried = new Set([name]);
        let next = name;
        for (let turn = 0; turn < 25; turn += 1) {
          next = nextName(next);
          expect(isName(next), next).toBe(true);
          expect(tried.has(next), next).toBe(false);
          tried.add(next);
        }
      }),
    );
    expect([nextName("dev"), nextName("dev-2"), nextName("dev-9"), nextName("dev-2b")]).toEqual([
      "dev-2",
      "dev-3",
      "dev-10",
      "dev-2b-2",
    ]);
    expect(nextName("x".repeat(64))).toBe(`${"x".repeat(62)}-2`);
    expect(nextName(`${"x".repeat(62)}-9`)).toBe(`${"x".repeat(61)}-10`);
    expect(nextName("-2")).toBe("-2-2");
  });
});

describe("ids", () => {
  it("[NAME-7] what is one, and what is none", () => {
    fc.assert(fc.property(ids, (id) => idSchema.safeParse(id).success));
    fc.assert(
      fc.property(wildTexts, (text) => idSchema.safeParse(text).success === /^[A-Za-z0-9_-]{1,64}$/.test(text)),
    );
    for (const text of ["", "a b", "a/b", "+", "a\n", "é", "x".repeat(65)]) {
      expect(idSchema.safeParse(text).success, text).toBe(false);
    }
  });

  it("[NAME-7] new ids are ids, differ, and can be typed as an argument", () => {
    const made = Array.from({ length: 500 }, newId);
    for (const id of made) {
      expect(idSchema.safeParse(id).success).toBe(true);
      expect(id).toMatch(/^[A-Za-z0-9]+$/);
    }
    expect(new Set(made).size).toBe(made.length);
  });

  it("[NAME-8] the older of two epochs sorts first", () => {
    // Nine digits of base 36.
    const lastMs = 36 ** 9 - 1;
    const moments = fc.nat({ max: lastMs });
    fc.assert(
      fc.property(moments, moments, (one, other) => {
        const [first, second] = [newEpoch(one), newEpoch(other)];
        for (const epoch of [first, second]) expect(epoch).toMatch(/^[0-9a-z]{20}$/);
        expect(Number.parseInt(first.slice(0, 9), 36)).toBe(one);
        if (one !== other) expect(first < second).toBe(one < other);
        else expect(first).not.toBe(second);
      }),
    );
  });

  it("[NAME-9] [MQTT-2] a box is 20 characters, and its client id one that every server takes", () => {
    for (const box of Array.from({ length: 200 }, newBox)) {
      expect(box).toMatch(/^[0-9a-z]{20}$/);
      expect(clientIdOf(box)).toBe(`pl-${box}`);
      // MQTT 3.1.1 §3.1.3.1
      expect(clientIdOf(box).length).toBeLessThanOrEqual(23);
    }
  });
});
