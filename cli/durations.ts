import { PilinkError, quoteValue } from "../protocol/errors.ts";

const unitsMs: Readonly<Record<string, number>> = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 };

// setTimeout takes no more than 31 bits of milliseconds, which is a little more than this.
const longestMs = 24 * 86_400_000;

/**
 * Reads a duration as a person writes it: `500ms`, `30s`, `10m`, `1h`, `2d`.
 *
 * @returns milliseconds
 * @throws PilinkError `bad-argument`
 */
export function parseDuration(text: string): number {
  const [, number, unit = ""] = /^(\d{1,12}(?:\.\d{1,3})?)(ms|s|m|h|d)$/.exec(text.trim().toLowerCase()) ?? [];
  const ms = Math.round(Number(number) * (unitsMs[unit] ?? Number.NaN));
  if (!(ms >= 0 && ms <= longestMs)) {
    throw new PilinkError(
      "bad-argument",
      `${quoteValue(text)} is no duration. Write it like 500ms, 30s, 10m, 1h or 2d; 24d is the limit.`,
      { value: text },
    );
  }
  return ms;
}

/**
 * Reads a whole number of at least 1.
 *
 * @throws PilinkError `bad-argument`
 */
export function parseCount(text: string): number {
  if (!/^[1-9]\d{0,8}$/.test(text)) {
    throw new PilinkError("bad-argument", `${quoteValue(text)} is no number of 1 or more.`, { value: text });
  }
  return Number(text);
}
