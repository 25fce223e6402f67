import { stripVTControlCharacters } from "node:util";
import { visibleWidth } from "@earendil-works/pi-tui";
import { expect } from "vitest";

/** What other agents may write to disturb a terminal, or without meaning to. */
export const nastyTexts: readonly string[] = [
  "日本語のテキストがここに続きます。".repeat(20),
  "👨‍👩‍👧‍👦👍🏽🇩🇪1️⃣☎️ ".repeat(30),
  `e${"\u0301".repeat(40)} a\u0300o\u0302 `.repeat(10),
  "\u200d\u200d\ufe0f\u200d",
  "\u001b[2J\u001b[1;1H\u001b]0;title\u0007\u001b[31mred\u001b[0m",
  "\u009b2J\u0090q\u009c\u0008\u0008\u0007",
  "\u202eright to left\u202c \u2067isolate\u2069",
  "tab\tafter\ttab\t日\t本",
  "x".repeat(5_000),
  "a\r\nb\rc\u2028d\u0085e",
  "line\n".repeat(500),
  "\ud800 half a character \udfff",
  "กำลังทดสอบ नमस्ते دنيا",
  "",
  "   \n\n   ",
];

/** What a terminal shows of lines, without colours and the spaces at their ends. */
export function plain(lines: readonly string[]): string {
  return lines.map((line) => stripVTControlCharacters(line).trimEnd()).join("\n");
}

/** Makes sure that lines fit a terminal, and that nothing in them but colours is obeyed by one. */
export function expectToFit(lines: readonly string[], width: number): void {
  for (const line of lines) {
    expect(visibleWidth(line), JSON.stringify(line)).toBeLessThanOrEqual(width);
    const text = line.replaceAll(colour, "");
    expect(/[\p{Cc}\u202a-\u202e\u2066-\u2069]/v.test(text), JSON.stringify(text)).toBe(false);
  }
}

const colour = new RegExp(`${String.fromCharCode(0x1b)}\\[[0-9;]*m`, "g");
