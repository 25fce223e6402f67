import { messageOf, PilinkError, type PilinkErrorOptions } from "../protocol/errors.ts";
import { explainCertificate } from "./certificate.ts";

/**
 * The error for a call that the end of the connection cut short.
 *
 * @param what what was under way, as it follows "while"
 */
export function lostWhile(what: string, cause?: unknown): PilinkError {
  const options: PilinkErrorOptions = cause === undefined ? {} : { cause };
  return new PilinkError("connection-lost", `The connection to the broker ended while ${what}.`, options);
}

const unreachableCodes = new Set([
  "ECONNREFUSED",
  "ENOTFOUND",
  "ETIMEDOUT",
  "EHOSTUNREACH",
  "ENETUNREACH",
  "EAI_AGAIN",
  "EADDRNOTAVAIL",
]);

/**
 * Says what a failed attempt to connect means, with the way out (MQTT 3.1.1 §3.2.2.3 for the codes of a CONNACK).
 *
 * @param error what the MQTT client reported
 * @param address the broker's address without credentials
 */
export function explainRefusal(error: unknown, address: string): PilinkError {
  const code = error instanceof Error && "code" in error ? error.code : undefined;
  const cause = { cause: error, value: address };
  if (typeof code === "string" && unreachableCodes.has(code)) {
    return new PilinkError(
      "broker-unreachable",
      `No broker answers at ${address} (${code}). Check the address, or that the broker runs; without --url and PILINK_URL the managed broker is used.`,
      cause,
    );
  }
  const certificate = explainCertificate(error, address);
  if (certificate !== undefined) return certificate;
  if (code === 4 || code === 5) {
    return new PilinkError(
      "broker-credentials",
      `The broker ${address} refused the user name or password (CONNACK ${code}). Set PILINK_USERNAME and PILINK_PASSWORD.`,
      cause,
    );
  }
  if (code === 1) {
    return new PilinkError(
      "broker-protocol",
      `The broker ${address} refuses MQTT 3.1.1 (CONNACK 1), which is what this program speaks. Use another broker.`,
      cause,
    );
  }
  if (code === 2 || code === 3) {
    return new PilinkError(
      "broker-refused",
      `The broker ${address} refused the connection (CONNACK ${code}). Try again later.`,
      cause,
    );
  }
  return new PilinkError(
    "broker-not-mqtt",
    `What listens at ${address} did not answer as an MQTT broker (${messageOf(error)}). Check the port: MQTT's own is 1883, with TLS 8883.`,
    cause,
  );
}
