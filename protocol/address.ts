import { PilinkError, quoteValue } from "./errors.ts";

/** The port of MQTT without TLS. */
export const defaultMqttPort = 1883;

const defaultPorts: Readonly<Record<string, number>> = {
  "mqtt:": defaultMqttPort,
  "mqtts:": 8883,
  "ws:": 80,
  "wss:": 443,
};

/** A broker's address, taken apart. */
export interface BrokerAddress {
  /** Complete but for credentials: good for a client, for people and for logs. */
  url: string;
  username: string | undefined;
  password: string | undefined;
  /** What to connect to; an IPv6 address without its brackets. */
  host: string;
  port: number;
  /** True where the connection is encrypted. */
  isEncrypted: boolean;
  /** True for plain MQTT on this machine: the only kind of address where a managed broker may be started. */
  isStartable: boolean;
}

/**
 * Reads a broker's address as a person writes it.
 *
 * @param text for example `mqtt://192.168.1.20:1883`, `mqtts://user:secret@broker.example`, or `127.0.0.1:1883`
 * @throws PilinkError `bad-argument` if it is none; its message does not show credentials
 */
export function parseAddress(text: string): BrokerAddress {
  let url: URL;
  try {
    url = new URL(text.includes("://") ? text : `mqtt://${text}`);
  } catch (cause) {
    throw badAddress(text, "it cannot be read as a URL", cause);
  }
  const defaultPort = defaultPorts[url.protocol];
  if (defaultPort === undefined) {
    throw badAddress(text, `${quoteValue(url.protocol)} is none of mqtt, mqtts, ws, wss`);
  }
  if (url.hostname === "") throw badAddress(text, "it names no host");
  if (url.port === "0") throw badAddress(text, "port 0 is no port to connect to");
  return {
    url: describeAddress(url.href),
    username: url.username === "" ? undefined : decode(url.username),
    password: url.password === "" ? undefined : decode(url.password),
    host: url.hostname.replace(/^\[(.*)\]$/, "$1").toLowerCase(),
    port: url.port === "" ? defaultPort : Number(url.port),
    isEncrypted: url.protocol === "mqtts:" || url.protocol === "wss:",
    isStartable: url.protocol === "mqtt:" && isLoopback(url.href),
  };
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

/**
 * The address of plain MQTT at a host and port.
 *
 * @param host a name or an address; an IPv6 address gets its brackets
 * @param port the port
 */
export function formatAddress(host: string, port: number): string {
  return `mqtt://${host.includes(":") ? `[${host}]` : host}:${port}`;
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

// RFC 1122 (this machine), RFC 1918, RFC 3927 (link-local), RFC 6598 (100.64.0.0/10, which Tailscale uses).
const privateIpv4 = /^(127|10|192\.168|169\.254|172\.(1[6-9]|2\d|3[01])|100\.(6[4-9]|[7-9]\d|1[01]\d|12[0-7]))\./;
const ipv4 = /^(?:(?:\d|[1-9]\d|1\d\d|2[0-4]\d|25[0-5])(?:\.(?!$)|$)){4}$/;
// RFC 6761, 6762, 8375 and 9476, ICANN's "internal", and Tailscale's names.
const privateDomains = [".localhost", ".local", ".home.arpa", ".internal", ".lan", ".ts.net"];

/**
 * True if a host cannot be reached from the internet by its address: this machine, a private network, a VPN. Whoever
 * speaks to one over plain MQTT shows the messages to that network only.
 *
 * @param host a name or an address, as {@link parseAddress} gives it
 */
export function isPrivateHost(host: string): boolean {
  const name = host.toLowerCase().replace(/\.$/, "");
  if (name.includes(":")) return isPrivateIpv6(name);
  if (ipv4.test(name)) return privateIpv4.test(name);
  // What remains of numbers is an address in a form that only some resolvers read, each in its own way.
  if (/^(0x[\da-f]*|\d+)(\.(0x[\da-f]*|\d+))*$/.test(name)) return false;
  // A name of one label is looked up in the network that this machine is in.
  return !name.includes(".") || privateDomains.some((domain) => name.endsWith(domain));
}

/** Loopback, unique local (RFC 4193), link-local (RFC 4291 §2.5.6), or an IPv4 address in the form of IPv6. */
function isPrivateIpv6(address: string): boolean {
  const mapped = /^::ffff:([\da-f]{1,4}):([\da-f]{1,4})$/.exec(address);
  if (mapped !== null) {
    const [high, low] = [Number.parseInt(mapped[1] ?? "", 16), Number.parseInt(mapped[2] ?? "", 16)];
    return isPrivateHost([high >> 8, high & 255, low >> 8, low & 255].join("."));
  }
  return address === "::1" || /^(f[cd][\da-f]{2}|fe[89ab][\da-f]):/.test(address);
}

/** A broker's name for a folder: its host and port, in characters that every file system takes. */
export function folderNameOf(address: string): string {
  const { host, port } = parseAddress(address);
  return `${isLoopback(address) ? "127.0.0.1" : host.replace(/[^a-z0-9.-]/g, "_")}-${port}`;
}

function decode(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    // A lone "%" stands for itself.
    return text;
  }
}

function hideCredentials(text: string): string {
  // Everything before the last "@" may belong to a password, also slashes and other "@".
  return text.replace(/^([a-z][a-z0-9+.-]*:\/\/)?.*@/is, "$1…@");
}

function badAddress(text: string, why: string, cause?: unknown): PilinkError {
  const shown = hideCredentials(text);
  return new PilinkError(
    "bad-argument",
    `${quoteValue(shown)} is no broker address: ${why}. Write it like mqtt://192.168.1.20:1883, mqtts://host or wss://host/path.`,
    { value: shown, cause },
  );
}
