import mqtt, { type IClientOptions, type IPublishPacket, type MqttClient } from "mqtt";
import { onCleanup } from "./cleanup.ts";
import { withinDeadline } from "./eventually.ts";

/** A message as it came over the wire. */
export interface RawMessage {
  topic: string;
  payload: Buffer;
  text: string;
  retained: boolean;
  qos: number;
  /** The broker marks it as sent once more (MQTT 3.1.1 §3.3.1.1). */
  duplicate: boolean;
  atMs: number;
}

/** What to publish a payload with. */
export interface RawPublishOptions {
  qos?: 0 | 1;
  retain?: boolean;
}

/** Chooses messages: a topic filter, or a predicate. */
export type RawMatcher = string | ((message: RawMessage) => boolean);

/** A plain MQTT client, for what a person or a stranger would do by hand. */
export interface RawMqtt {
  client: MqttClient;
  /** Everything received so far, oldest first. */
  received: RawMessage[];
  /** Publishes; a string or bytes as they are, anything else as JSON. Resolves with the PUBACK. */
  publish(topic: string, payload: unknown, options?: RawPublishOptions): Promise<void>;
  /** Resolves with the SUBACK; `qos` is 1. */
  subscribe(...filters: string[]): Promise<void>;
  /** What was received so far and matches. */
  messages(matcher: RawMatcher): RawMessage[];
  /** The first message, also one already received, that matches. */
  waitFor(matcher: RawMatcher, options?: { timeoutMs?: number; after?: number }): Promise<RawMessage>;
  /** Closes the socket without DISCONNECT: the broker publishes the will. */
  drop(): void;
  close(): Promise<void>;
}

/**
 * Connects a client that never reconnects by itself.
 *
 * @param url of the broker
 * @param options of mqtt.js; `protocolVersion` is 4 and `clean` true unless given
 * @throws what mqtt.js throws where the broker cannot be reached or refuses
 */
export async function rawMqtt(url: string, options: IClientOptions = {}): Promise<RawMqtt> {
  const received: RawMessage[] = [];
  const waiting = new Set<(message: RawMessage) => void>();
  const client = mqtt.connect(url, { protocolVersion: 4, reconnectPeriod: 0, connectTimeout: 5_000, ...options });
  // Before the connection stands: a persistent session delivers its queue at once.
  client.on("message", (topic: string, payload: Buffer, packet: IPublishPacket) => {
    const text = payload.toString("utf8");
    const { retain: retained, qos, dup: duplicate } = packet;
    const message = { topic, payload, text, retained, qos, duplicate, atMs: performance.now() };
    received.push(message);
    for (const tell of [...waiting]) tell(message);
  });
  await connected(client, url);
  client.on("error", () => undefined);

  const close = async () => {
    forget();
    await client.endAsync(!client.connected);
  };
  const forget = onCleanup(close);

  return {
    client,
    received,
    async publish(topic, payload, { qos = 1, retain = false } = {}) {
      const bytes = typeof payload === "string" || Buffer.isBuffer(payload) ? payload : JSON.stringify(payload);
      await client.publishAsync(topic, bytes, { qos, retain });
    },
    async subscribe(...filters) {
      await client.subscribeAsync(filters, { qos: 1 });
    },
    messages: (matcher) => received.filter(toPredicate(matcher)),
    async waitFor(matcher, { timeoutMs = 5_000, after = 0 } = {}) {
      const matches = toPredicate(matcher);
      const known = received.slice(after).find(matches);
      if (known) return known;
      const { promise, resolve } = Promise.withResolvers<RawMessage>();
      const tell = (message: RawMessage) => {
        if (matches(message)) resolve(message);
      };
      waiting.add(tell);
      try {
        return await withinDeadline(promise, timeoutMs, () => {
          const seen = received.slice(-20).map(({ topic, text }) => `  ${topic} ${text.slice(0, 200)}`);
          return `No message that matches ${matcher} within ${timeoutMs} ms; the last of ${received.length}:\n${seen.join("\n")}`;
        });
      } finally {
        waiting.delete(tell);
      }
    },
    drop() {
      client.stream.destroy();
    },
    close,
  };
}

async function connected(client: MqttClient, url: string): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  client.once("connect", () => resolve());
  client.once("error", reject);
  client.once("close", () => reject(new Error(`The broker at ${url} closed the connection.`)));
  try {
    await withinDeadline(promise, 6_000, () => `No CONNACK from ${url} within 6 s.`);
  } catch (failure) {
    client.end(true);
    throw failure;
  }
}

function toPredicate(matcher: RawMatcher): (message: RawMessage) => boolean {
  return typeof matcher === "string" ? ({ topic }) => matchesFilter(matcher, topic) : matcher;
}

/** Whether an MQTT topic filter selects a topic. */
export function matchesFilter(filter: string, topic: string): boolean {
  const wanted = filter.split("/");
  const levels = topic.split("/");
  for (const [index, level] of wanted.entries()) {
    if (level === "#") return true;
    if (levels[index] === undefined || (level !== "+" && level !== levels[index])) return false;
  }
  return wanted.length === levels.length;
}
