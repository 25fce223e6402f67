import { readFileSync } from "node:fs";
import { messageOf, PilinkError, quoteValue } from "../protocol/errors.ts";
import { isJsonObject, type Json } from "../protocol/json.ts";
import { hasCode } from "../store/folder.ts";

/** What a configuration file holds, also what this version does not know. */
export type JsonObject = Record<string, Json>;

/**
 * Reads a configuration file.
 *
 * @param path the file
 * @returns undefined where there is none
 * @throws PilinkError `bad-config` where it cannot be read or is no JSON object; the message has the place of the fault
 *   and nothing of what the file holds
 */
export function readJsonFile(path: string): JsonObject | undefined {
  const what = `The configuration ${path}`;
  let text: string;
  try {
    text = readFileSync(path, "utf8");
  } catch (cause) {
    if (hasCode(cause, "ENOENT", "ENOTDIR")) return undefined;
    throw broken(path, `${what} cannot be read: ${messageOf(cause)}. Mend or remove it.`, cause);
  }
  let value: unknown;
  try {
    value = JSON.parse(text.replace(/^\ufeff/, ""));
  } catch (cause) {
    // The parser's own message quotes the text around the fault, and there may be a password in it.
    throw broken(path, `${what} is no JSON: ${describePlace(text, cause)}. Mend or remove it.`);
  }
  if (!isJsonObject(value)) {
    throw broken(
      path,
      `${what} does not fit: it is ${quoteValue(value, 20)}, and must be an object. Mend or remove it.`,
    );
  }
  return value;
}

function broken(path: string, message: string, cause?: unknown): PilinkError {
  return new PilinkError("bad-config", message, { value: path, ...(cause === undefined ? {} : { cause }) });
}

// One token of JSON, or white space (RFC 8259, sections 2, 6 and 7).
const token =
  /[\s{}[\]:,]|"(?:[^"\\\p{Cc}]|\\(?:["\\/bfnrt]|u[0-9a-f]{4}))*"|-?\d+(?:\.\d+)?(?:e[+-]?\d+)?|true|false|null/iuy;

/** Where a text that is no JSON goes wrong. V8 names the place of some faults only. */
function describePlace(text: string, error: unknown): string {
  const position = /position (\d+)/.exec(messageOf(error))?.[1];
  const before = text.slice(0, position === undefined ? findForeign(text) : Number(position)).split("\n");
  return `it goes wrong in line ${before.length}, column ${(before.at(-1)?.length ?? 0) + 1}`;
}

/** The place of the first thing that no JSON holds, or the end. */
function findForeign(text: string): number {
  let end = 0;
  token.lastIndex = 0;
  while (token.test(text)) end = token.lastIndex;
  return end;
}
