import { PilinkError, quoteValue } from "../protocol/errors.ts";

const schemes = new Set(["mqtt:", "mqtts:", "ws:", "wss:"]);

/** A broker's address with its credentials taken out. */
export interface BrokerAddress {
  url: string;
  username: string | undefined;
  password: string | undefined;
}

/**
 * Reads a broker's address as a person writes it.
 *
 * @param text for example `mqtt://192.168.1.20:1883`, `mqtts://user:secret@broker.example`, or `127.0.0.1:1883`
 * @throws PilinkError `bad-argument` if it is none; its message does not show credentials
 */
export function parseAddress(text: string): BrokerAddress {
  const withScheme = /^[a-z]+:\/\//i.test(text) ? text : `mqtt://${text}`;
  let url: URL;
  try {
    url = new URL(withScheme);
  } catch (cause) {
    throw badAddress(text, "it cannot be read as a URL", cause);
  }
  if (!schemes.has(url.protocol)) throw badAddress(text, `${quoteValue(url.protocol)} is none of mqtt, mqtts, ws, wss`);
  if (url.hostname === "") throw badAddress(text, "it names no host");
  if (url.port === "0") throw badAddress(text, "port 0 is no port to connect to");
  const username = url.username === "" ? undefined : decodeURIComponent(url.username);
  const password = url.password === "" ? undefined : decodeURIComponent(url.password);
  return { url: describeAddress(url.href), username, password };
}

/** An address without credentials, for people, records and logs. */
export function describeAddress(address: string): string {
  try {
    const url = new URL(address);
    const path = url.pathname === "/" ? "" : url.pathname;
    return `${url.protocol}//${url.host}${path}`;
  } catch {
    return hideCredentials(address);
  }
}

/** True if the address is on this machine. */
export function isLoopback(address: string): boolean {
  try {
    const host = new URL(address).hostname.toLowerCase();
    return host === "localhost" || host === "[::1]" || /^127\.\d+\.\d+\.\d+$/.test(host);
  } catch {
    return false;
  }
}

/** A broker's name for a folder: its host and port, in characters that every file system takes. */
export function folderNameOf(address: string): string {
  const url = new URL(address);
  const defaultPort = { "mqtt:": "1883", "mqtts:": "8883", "ws:": "80", "wss:": "443" }[url.protocol] ?? "";
  const host = isLoopback(address) ? "127.0.0.1" : url.hostname.replace(/[^a-z0-9.-]/gi, "_");
  return `${host}-${url.port === "" ? defaultPort : url.port}`;
}

function hideCredentials(text: string): string {
  // Everything before the last "@" may belong to a password, also slashes and other "@".
  return text.replace(/^([a-z][a-z0-9+.-]*:\/\/)?.*@/is, "$1…@");
}

function badAddress(text: string, why: string, cause?: unknown): PilinkError {
  const shown = hideCredentials(text);
  return new PilinkError(
    "bad-argument",
    `${quoteValue(shown)} is no broker address: ${why}. Write it like mqtt://192.168.1.20:1883.`,
    { value: shown, cause },
  );
}
