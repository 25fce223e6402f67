import { detach, sizeOf } from "./session-queues.ts";

/** How many retained messages are kept, and for how long those of lost peers. */
export interface RetainedLimits {
  records: number;
  bytes: number;
  /** How long the record of a peer that was lost is kept, in ms. */
  lostExpiryMs: number;
}

/** What matters here of a retained message; an empty payload takes the record of its topic away. */
export interface RetainedPacket {
  topic: string;
  payload: Buffer | string;
}

interface Held<Packet> {
  packet: Packet;
  sizeBytes: number;
  storedMs: number;
}

/**
 * The retained messages.
 *
 * Cause: Aedes keeps each of them for as long as the broker runs, without a limit. Peers that are killed together with
 * their host leave a record behind that nobody clears any more, and whoever can publish can fill the memory. And for each
 * subscription it takes the topics of all of them apart, those of other networks too.
 */
export class RetainedRecords<Packet extends RetainedPacket = RetainedPacket> {
  readonly #limits: RetainedLimits;
  // By the first two levels of the topic, which are a network, then by the topic.
  readonly #networks = new Map<string, Map<string, Held<Packet>>>();
  #count = 0;
  #totalBytes = 0;

  constructor(limits: RetainedLimits) {
    this.#limits = limits;
  }

  /**
   * Keeps a retained message, in the place of the one before.
   *
   * @returns false where there is no room for another one: those who are subscribed still get it
   */
  store(packet: Packet, nowMs: number): boolean {
    const { topic } = packet;
    const network = networkOf(topic);
    const records = this.#networks.get(network) ?? new Map<string, Held<Packet>>();
    const former = records.get(topic);
    const payload = detach(packet.payload);
    const sizeBytes = sizeOf(topic, payload);
    const restBytes = this.#totalBytes - (former?.sizeBytes ?? 0);
    if (payload.length === 0) {
      if (records.delete(topic)) this.#count -= 1;
      if (records.size === 0) this.#networks.delete(network);
      this.#totalBytes = restBytes;
      return true;
    }
    const { records: mostRecords, bytes: mostBytes } = this.#limits;
    if ((former === undefined && this.#count >= mostRecords) || restBytes + sizeBytes > mostBytes) return false;
    if (former === undefined) this.#count += 1;
    this.#networks.set(network, records);
    records.set(topic, { packet: { ...packet, payload }, sizeBytes, storedMs: nowMs });
    this.#totalBytes = restBytes + sizeBytes;
    return true;
  }

  /** The messages that a subscription brings. @param filter MQTT 3.1.1, 4.7 */
  matching(filter: string): Packet[] {
    const network = networkOf(filter);
    const records = /[+#]/.test(network) ? this.#all() : (this.#networks.get(network) ?? new Map());
    if (!/[+#]/.test(filter)) {
      const held = records.get(filter);
      return held === undefined ? [] : [held.packet];
    }
    const found: Packet[] = [];
    for (const [topic, { packet }] of records) if (isMatch(topic, filter)) found.push(packet);
    return found;
  }

  /** The topics of peers that were lost for too long; no network waits for any of them. */
  expired(nowMs: number): string[] {
    const isExpired = ([topic, { storedMs, packet }]: [string, Held<Packet>]) =>
      nowMs - storedMs >= this.#limits.lostExpiryMs && topic.endsWith("/presence") && isLost(packet.payload);
    return [...this.#all()].filter(isExpired).map(([topic]) => topic);
  }

  #all(): Map<string, Held<Packet>> {
    return new Map([...this.#networks.values()].flatMap((records) => [...records]));
  }
}

/** The first two levels of a topic or filter. */
function networkOf(topic: string): string {
  const end = topic.indexOf("/", topic.indexOf("/") + 1);
  return end < 0 ? topic : topic.slice(0, end);
}

/** MQTT 3.1.1, 4.7.1. No topic here begins with `$`. Nothing is taken apart: this runs for each record of a network. */
function isMatch(topic: string, filter: string): boolean {
  let at = 0;
  for (let place = 0; place < filter.length; place += 1) {
    const wanted = filter[place];
    // It stands for any number of levels, also for none.
    if (wanted === "#") return true;
    if (wanted === "+") {
      if (at > topic.length) return false;
      const end = topic.indexOf("/", at);
      at = end < 0 ? topic.length : end;
    } else if (wanted === topic[at]) at += 1;
    else return at === topic.length && filter.slice(place) === "/#";
  }
  return at === topic.length;
}

/** By hand and not by the schema of a record: zod costs the broker's process 15 MB of memory. */
function isLost(payload: Buffer | string): boolean {
  try {
    const record: unknown = JSON.parse(payload.toString());
    return typeof record === "object" && record !== null && "state" in record && record.state === "lost";
  } catch {
    // Not a record, and not ours to judge.
    return false;
  }
}
