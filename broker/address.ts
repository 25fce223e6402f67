import { PilinkError } from "../protocol/errors.ts";

/** The port of MQTT without TLS. */
export const defaultMqttPort = 1883;

/** A broker's URL, taken apart. */
export interface BrokerAddress {
  /** Complete, with the credentials that were in it, as a client needs it. */
  url: string;
  /** Without credentials, for people and logs. */
  shownUrl: string;
  /** What to connect to; an IPv6 address without its brackets. */
  host: string;
  /** What a managed broker would bind to; differs from `host` for `localhost` only. */
  bindHost: string;
  port: number;
  /** True for plain MQTT on loopback: the only kind of address where a managed broker may be started. */
  startable: boolean;
}

const defaultPorts: Readonly<Record<string, number>> = {
  "mqtt:": defaultMqttPort,
  "tcp:": defaultMqttPort,
  "mqtts:": 8883,
  "ssl:": 8883,
  "tls:": 8883,
  "ws:": 80,
  "wss:": 443,
};

/**
 * Reads what a person wrote as a broker's address.
 *
 * @param text a URL, or just a host with or without a port, which then means `mqtt://`
 * @throws PilinkError `bad-argument` where it cannot be one
 */
export function parseBrokerUrl(text: string): BrokerAddress {
  const complete = text.includes("://") ? text : `mqtt://${text}`;
  const parsed = URL.canParse(complete) ? new URL(complete) : undefined;
  const port = parsed === undefined ? undefined : parsed.port === "" ? defaultPorts[parsed.protocol] : +parsed.port;
  if (parsed === undefined || port === undefined || port === 0 || parsed.hostname === "") {
    const shown = withoutCredentials(text);
    throw new PilinkError(
      "bad-argument",
      `${JSON.stringify(shown)} is no address of a broker. Write it like mqtt://127.0.0.1:1883, mqtts://host or wss://host/path.`,
      { value: shown },
    );
  }
  const host = parsed.hostname.replace(/^\[(.*)\]$/, "$1").toLowerCase();
  const plain = parsed.protocol === "mqtt:" || parsed.protocol === "tcp:";
  return {
    url: complete,
    shownUrl: withoutCredentials(complete),
    host,
    bindHost: host === "localhost" ? "127.0.0.1" : host,
    port,
    startable: plain && isLoopback(host),
  };
}

/**
 * The URL of plain MQTT at a host and port.
 *
 * @param host a name or an address; an IPv6 address gets its brackets
 * @param port the port
 */
export function mqttUrl(host: string, port: number): string {
  return `mqtt://${host.includes(":") ? `[${host}]` : host}:${port}`;
}

function isLoopback(host: string): boolean {
  return host === "localhost" || host === "::1" || /^127(\.\d{1,3}){3}$/.test(host);
}

function withoutCredentials(url: string): string {
  // Everything before the last "@" may belong to a password, also slashes and other "@".
  return url.replace(/^([a-z][a-z0-9+.-]*:\/\/)?.*@/is, "$1");
}
