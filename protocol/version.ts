import { z } from "zod";
import { PilinkError, quoteValue } from "./errors.ts";
import { decodeText, isJsonObject, parseJson } from "./json.ts";

/** The `v` of every payload (topics.md, "Compatibility"). */
export const protocolVersion = 1;

/** The largest payload that is no message: ten times what the longest texts of a schema take (topics.md, "MQTT profile"). */
export const recordLimitBytes = 65_536;

/** A moment, in milliseconds since 1970. */
export const timeSchema = z.int().min(0);

/**
 * Checks the `v` of a payload.
 *
 * @throws PilinkError `unknown-version` if this program does not speak it
 */
export function checkVersion(version: unknown): void {
  if (version !== protocolVersion) {
    throw new PilinkError(
      "unknown-version",
      `A payload has "v": ${quoteValue(version)}; this program speaks ${protocolVersion}. Update the older side.`,
      { value: version },
    );
  }
}

/**
 * Reads a payload that must be one JSON object of a known version.
 *
 * @param payload the bytes of the MQTT payload
 * @param schema what it must fit
 * @param what the payload's name in the error's message
 * @throws PilinkError `bad-payload`, `unknown-version`
 */
export function decodeObject<Schema extends z.ZodType>(
  payload: Uint8Array,
  schema: Schema,
  what: string,
): z.infer<Schema> {
  if (payload.byteLength > recordLimitBytes) {
    throw new PilinkError(
      "bad-payload",
      `A ${what} of ${payload.byteLength} bytes is above the limit of ${recordLimitBytes}.`,
      { value: payload.byteLength },
    );
  }
  const json = parseJson(decodeText(payload));
  if (json === undefined || !isJsonObject(json.value)) {
    throw new PilinkError("bad-payload", `A ${what} of ${payload.byteLength} bytes is no JSON object.`);
  }
  checkVersion(json.value.v);
  const parsed = schema.safeParse(json.value);
  if (!parsed.success) {
    throw new PilinkError("bad-payload", `A ${what} does not fit: ${describeIssues(parsed.error)}.`, {
      value: json.value,
    });
  }
  return parsed.data;
}

/**
 * Writes a payload as JSON, after checking it.
 *
 * @throws PilinkError `bad-payload` if it does not fit its schema
 */
export function encodeObject<Schema extends z.ZodType>(value: z.infer<Schema>, schema: Schema, what: string): string {
  const parsed = schema.safeParse(value);
  if (!parsed.success) {
    throw new PilinkError("bad-payload", `A ${what} does not fit: ${describeIssues(parsed.error)}.`, { value });
  }
  return JSON.stringify(parsed.data);
}

/** The first few faults that a schema found, on one line. */
export function describeIssues(error: z.ZodError): string {
  return error.issues
    .slice(0, 3)
    .map((issue) => `${issue.path.length === 0 ? "the value" : issue.path.map(String).join(".")}: ${issue.message}`)
    .join("; ");
}
