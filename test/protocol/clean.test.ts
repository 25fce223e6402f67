import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { cleanLine, cleanText } from "../../protocol/clean.ts";
import { wildTexts } from "./arbitraries.ts";

// What a terminal obeys (C0 but tab and line feed, DEL, C1), what turns the direction of text, and what nobody sees.
const obeyed = /[\p{Cc}--[\t\n]]/v;
const turning = /[\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]/;
const hidden = /[\u200b\u2060-\u2065\ufeff\ufff9-\ufffb\u2028\u2029]|[\u{e0000}-\u{e007f}]/u;

describe("[SESS-3] cleaning", () => {
  it("leaves nothing that a terminal obeys, that turns text, or that nobody sees", () => {
    fc.assert(
      fc.property(wildTexts, (text) => {
        const cleaned = cleanText(text);
        expect(cleaned).not.toMatch(obeyed);
        expect(cleaned).not.toMatch(turning);
        expect(cleaned).not.toMatch(hidden);
        expect(cleaned.isWellFormed()).toBe(true);
        expect(cleanText(cleaned)).toBe(cleaned);
      }),
      { numRuns: 2_000 },
    );
  });

  it("removes each control character by itself", () => {
    for (let code = 0; code < 0xa0; code += 1) {
      const character = String.fromCharCode(code);
      // No sequence can go on with a letter outside of ASCII.
      const cleaned = cleanText(`x${character}é`);
      if (code >= 0x20 && code < 0x7f) expect(cleaned).toBe(`x${character}é`);
      else if (character === "\t" || character === "\n") expect(cleaned).toBe(`x${character}é`);
      else if (character === "\r" || code === 0x85) expect(cleaned).toBe("x\né");
      else expect(cleaned, `U+${code.toString(16)}`).toBe("xé");
    }
  });

  it("removes whole escape sequences", () => {
    const sequences = {
      "\x1b[31mred\x1b[0m": "red",
      "\x1b]0;title\x07after": "after",
      "\x1b]8;;https://evil.example\x1b\\link\x1b]8;;\x1b\\": "link",
      "\x9b2Jgone": "gone",
      "\x1b[?1049hx": "x",
      "a\x1b[2K\rb": "a\nb",
    };
    for (const [text, cleaned] of Object.entries(sequences)) expect(cleanText(text)).toBe(cleaned);
    expect(cleanText("\x1b]52;c;aGVsbG8=\x07x")).toBe("x");
  });

  it("does not let the removal of one character make a sequence of the others", () => {
    for (const text of [
      "\x1b\u200b[31mx",
      "\x1b\x1b[31m[31mx",
      "\x1b\0[2Jx",
      "\u202e\x1b\u202e]0;x\x07",
      "\x1b\ufeff\x9b1mx",
    ]) {
      expect(cleanText(text)).not.toMatch(obeyed);
    }
  });

  it("keeps emoji, accents, tabs, line feeds and text of other scripts", () => {
    for (const text of [
      "👩‍💻 👨‍👩‍👧‍👦 ❤️ 🏳️‍🌈",
      "Zürich — naïve",
      "a\tb\n\nc",
      "日本語 العربية עברית",
      "क्‍ष",
      "می‌خواهم",
      "1️⃣",
    ]) {
      expect(cleanText(text)).toBe(text);
    }
  });

  it("keeps printable text as it is", () => {
    fc.assert(fc.property(fc.string({ unit: "grapheme-ascii" }), (text) => cleanText(text) === text));
  });

  it("replaces lone surrogates and gives each line end one form", () => {
    expect(cleanText("a\ud800b\udc00")).toBe("a\ufffdb\ufffd");
    expect(cleanText("a\r\nb\rc\u2028d\u2029e\u0085f")).toBe("a\nb\nc\nd\ne\nf");
  });

  it("takes 1 MiB of anything in little time", () => {
    for (const unit of ["\x1b", "\x1b[", "\x1b]", "\x1b];a", "\x1b[[[[", ";a", "\x9b;;"]) {
      const text = `\x1b]${unit.repeat(1_048_576 / unit.length)}`;
      const beganMs = performance.now();
      expect(cleanText(text)).not.toMatch(obeyed);
      expect(performance.now() - beganMs, JSON.stringify(unit)).toBeLessThan(5_000);
    }
  });
});

describe("[SESS-3] cleaning to one line", () => {
  it("gives one line within the limit, and does not cut a character in two", () => {
    fc.assert(
      fc.property(wildTexts, fc.integer({ min: 1, max: 40 }), (text, limit) => {
        const line = cleanLine(text, limit);
        expect(line).not.toMatch(/[\n\t]/);
        expect(line).not.toMatch(obeyed);
        expect(line.length).toBeLessThanOrEqual(limit);
        expect(line.isWellFormed()).toBe(true);
        expect(line).toBe(line.trim());
      }),
      { numRuns: 1_000 },
    );
    expect(cleanLine(" a\r\n\tb  c ")).toBe("a b c");
    expect(cleanLine("x".repeat(200))).toBe(`${"x".repeat(119)}…`);
    expect(cleanLine("👩👩👩", 4)).toBe("👩…");
  });
});
