import { PilinkError, quoteValue } from "./errors.ts";

/** A value that JSON can hold. */
export type Json = string | number | boolean | null | Json[] | { [key: string]: Json };

// Deeper nesting than any honest body has, and far from where a recursive reader overflows its stack.
const depthLimit = 200;

const utf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: false });

/** The size of a text in UTF-8, in bytes. */
export function byteLengthOf(text: string): number {
  return Buffer.byteLength(text);
}

/**
 * Decodes UTF-8.
 *
 * @param payload the bytes of an MQTT payload
 * @throws PilinkError `bad-payload` if they are no valid UTF-8
 */
export function decodeText(payload: Uint8Array): string {
  try {
    return utf8.decode(payload);
  } catch (cause) {
    throw new PilinkError("bad-payload", `A payload of ${payload.byteLength} bytes is no valid UTF-8.`, { cause });
  }
}

/**
 * Parses JSON text.
 *
 * @param text what may be JSON
 * @returns the value in an object of its own, or undefined where the text is no JSON
 * @throws PilinkError `bad-payload` if it is JSON nested deeper than 200 levels
 */
export function parseJson(text: string): { value: Json } | undefined {
  let value: Json;
  try {
    value = JSON.parse(text);
  } catch {
    return undefined;
  }
  checkDepth(text);
  return { value };
}

/**
 * Checks how deep JSON text nests.
 *
 * @param text valid JSON
 * @param around how many levels will stand around it
 * @throws PilinkError `bad-payload` above 200 levels
 */
export function checkDepth(text: string, around = 0): void {
  // Each level takes two characters.
  if (text.length <= 2 * (depthLimit - around)) return;
  // Without that many brackets it cannot be that deep, and finding them is a hundred times faster than following them.
  if (countUpTo(text, "[", depthLimit) + countUpTo(text, "{", depthLimit) + around <= depthLimit) return;
  if (depthOf(text) + around > depthLimit) {
    throw new PilinkError("bad-payload", `JSON nests deeper than ${depthLimit} levels: ${quoteValue(text, 40)}.`, {
      value: text.slice(0, 200),
    });
  }
}

/** True for a JSON object, as opposed to an array, null or a scalar. */
export function isJsonObject(value: unknown): value is { [key: string]: Json } {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** How often a character occurs, counted up to one more than a limit. */
function countUpTo(text: string, character: string, limit: number): number {
  let count = 0;
  for (let at = text.indexOf(character); at >= 0 && count <= limit; at = text.indexOf(character, at + 1)) count += 1;
  return count;
}

/** How deep the brackets of a JSON text nest, outside of its strings. */
function depthOf(text: string): number {
  let depth = 0;
  let deepest = 0;
  let inString = false;
  for (let index = 0; index < text.length; index += 1) {
    const code = text.charCodeAt(index);
    if (inString) {
      if (code === 0x5c) index += 1;
      else if (code === 0x22) inString = false;
    } else if (code === 0x22) inString = true;
    else if (code === 0x5b || code === 0x7b) {
      depth += 1;
      if (depth > deepest) deepest = depth;
    } else if (code === 0x5d || code === 0x7d) depth -= 1;
  }
  return deepest;
}
