import { EventEmitter } from "node:events";
import { Socket } from "node:net";
import type { IClientOptions, MqttClient } from "mqtt";
import { describeAddress, isLoopback } from "../protocol/address.ts";
import { PilinkError } from "../protocol/errors.ts";
import { dropNumberCache } from "../store/number-cache.ts";
import { importInBun } from "./bun-packages.ts";
import { Gathering } from "./gathering.ts";
import { explainRefusal, lostWhile } from "./link-errors.ts";

const { default: mqtt } = await importInBun(() => import("mqtt"));
// 16 MB less in every Pi that joins.
dropNumberCache("mqtt");

/** A message as the broker delivered it. */
export interface Delivered {
  topic: string;
  payload: Buffer;
  /** True for what the broker held before the subscription. */
  retained: boolean;
}

/** How to reach a broker and as whom. */
export interface LinkOptions {
  url: string;
  username?: string | undefined;
  password?: string | undefined;
  /** The certificates (PEM) of the authorities to trust over TLS, instead of the system's. */
  ca?: string | undefined;
  clientId: string;
  /** MQTT 3.1.1 §3.1.2.4: true throws away what the broker kept for this client id. */
  clean: boolean;
  keepaliveMs: number;
  /** The will for a connection; its number is 1 for the first one of this link, 2 for the next. */
  will?: (conn: number) => { topic: string; payload: string };
  /** Called for each message, one at a time, before it is acknowledged. */
  onMessage: (delivered: Delivered) => void;
  /** Called before each attempt after the first connection was lost; gives the address to use. */
  reach?: () => Promise<string>;
}

/** The events of a link. */
export interface LinkEvents {
  up: [{ conn: number }];
  down: [{ reason: string }];
  /** The broker was stopped on purpose, or refuses this client for good: no further attempt is made. */
  ended: [PilinkError];
}

const connectTimeoutMs = 5_000;
const shortestPauseMs = 50;
const longestPauseMs = { loopback: 2_000, network: 15_000 };
// A connection that held this long was a good one: the pauses start from the shortest again.
const settledAfterMs = 5_000;

/**
 * The connection of one client to one broker, made again when it is lost. The only importer of `mqtt`.
 *
 * Each connection is a client object of its own: nothing is carried over in memory from one to the next, because what
 * has to survive is in the outbox, and the will must be a new one each time (topics.md, "Presence").
 */
export class Link {
  readonly events = new EventEmitter<LinkEvents>();
  readonly #options: LinkOptions;
  #url: string;
  #conn = 0;
  #client: MqttClient | undefined;
  #gathering: Gathering | undefined;
  #closed = false;
  #attempt = 0;
  #retry: NodeJS.Timeout | undefined;
  #upSinceMs = 0;

  constructor(options: LinkOptions) {
    this.#options = options;
    this.#url = options.url;
  }

  /** The number of this link's connections, the present one included. */
  get conn(): number {
    return this.#conn;
  }

  get connected(): boolean {
    return this.#client?.connected === true;
  }

  /** The address in use, as it was given. */
  get url(): string {
    return this.#url;
  }

  /** The address in use, without credentials. */
  get address(): string {
    return describeAddress(this.#url);
  }

  /**
   * Connects for the first time. Later connections are made without being asked.
   *
   * @throws PilinkError `broker-unreachable`, `broker-credentials`, `broker-certificate`, `broker-refused`, `broker-protocol`, `broker-not-mqtt`
   */
  async open(): Promise<void> {
    this.#client = await this.#connect();
    this.#upSinceMs = performance.now();
    this.events.emit("up", { conn: this.#conn });
  }

  /**
   * Publishes with QoS 1.
   *
   * @param retain true for a record that later subscribers get as well
   * @returns when the broker has acknowledged it, which says nothing about any receiver
   * @throws PilinkError `connection-lost` where it is unknown whether the broker has it
   */
  publish(topic: string, payload: string, retain = false): Promise<void> {
    return this.#call(`publishing to ${topic}`, (client, done) => {
      this.#gathering?.add();
      client.publish(topic, payload, { qos: 1, retain }, (error) => done(error));
    });
  }

  /**
   * Subscribes with QoS 1, also when this connection has subscribed before: then the retained records come again.
   *
   * @throws PilinkError `broker-forbids` where the broker refuses a filter, `connection-lost`
   */
  async subscribe(filters: string[]): Promise<void> {
    let refused: string[] = [];
    await this.#call(`subscribing to ${filters.join(", ")}`, (client, done) => {
      const wanted = Object.fromEntries(filters.map((filter) => [filter, { qos: 1 as const }]));
      client.subscribe(Object.assign(wanted, { resubscribe: true }), (error, granted) => {
        // MQTT 3.1.1 §3.9.3: 0x80 is a failure.
        refused = (granted ?? []).filter((grant) => Number(grant.qos) === 128).map((grant) => grant.topic);
        done(refused.length > 0 ? null : error);
      });
    });
    if (refused.length > 0) {
      throw new PilinkError(
        "broker-forbids",
        `The broker ${this.address} refuses this account the subscription to ${refused.join(", ")}. Ask whoever runs it for the access rules of topics.md.`,
        { value: refused },
      );
    }
  }

  /**
   * Ends the connection. Idempotent.
   *
   * @param options `graceful: false` drops it without a DISCONNECT, so that the broker publishes the will
   */
  async close(options: { graceful: boolean; timeoutMs?: number } = { graceful: true }): Promise<void> {
    this.#closed = true;
    clearTimeout(this.#retry);
    const client = this.#client;
    this.#client = undefined;
    if (client !== undefined) await endClient(client, options.graceful, options.timeoutMs ?? 500);
  }

  async #connect(): Promise<MqttClient> {
    this.#conn += 1;
    const { will, username, password, ca } = this.#options;
    const options: IClientOptions = {
      protocolVersion: 4,
      clientId: this.#options.clientId,
      clean: this.#options.clean,
      keepalive: Math.max(1, Math.round(this.#options.keepaliveMs / 1000)),
      connectTimeout: connectTimeoutMs,
      reconnectPeriod: 0,
      resubscribe: false,
      queueQoSZero: false,
      ...(username === undefined ? {} : { username }),
      ...(password === undefined ? {} : { password }),
      ...(ca === undefined ? {} : { ca }),
      ...(will === undefined ? {} : { will: { ...textWill(will(this.#conn)), qos: 1 as const, retain: true } }),
    };
    const client = mqtt.connect(this.#url, options);
    // Each call that is under way listens for the end of the connection, and there may be hundreds.
    client.setMaxListeners(0);
    // Nagle's algorithm would hold a message back until the other side has acknowledged the one before: 40 ms.
    if (client.stream instanceof Socket) client.stream.setNoDelay(true);
    const gathering = new Gathering(client.stream);
    this.#gathering = gathering;
    client.handleMessage = (packet, done) => {
      // The acknowledgement has time: first comes whoever the message is for.
      gathering.hold();
      if (this.#client === client || this.#client === undefined) {
        const payload = typeof packet.payload === "string" ? Buffer.from(packet.payload) : packet.payload;
        this.#options.onMessage({ topic: packet.topic, payload, retained: packet.retain });
      }
      done();
    };
    try {
      await untilConnected(client, this.address);
    } catch (error) {
      await endClient(client, false, 0);
      throw error;
    }
    client.on("close", () => this.#lost(client, "the connection was closed"));
    // After CONNACK an error is followed by `close`, which is where the connection is made again.
    client.on("error", () => undefined);
    if (!client.connected) throw lostWhile(`connecting to ${this.address}`);
    if (this.#closed) {
      await endClient(client, true, 200);
      throw lostWhile(`connecting to ${this.address}`);
    }
    return client;
  }

  #lost(client: MqttClient, reason: string): void {
    if (this.#client !== client) return;
    this.#client = undefined;
    void endClient(client, false, 0);
    if (this.#closed) return;
    if (performance.now() - this.#upSinceMs > settledAfterMs) this.#attempt = 0;
    this.events.emit("down", { reason });
    this.#scheduleRetry();
  }

  #scheduleRetry(): void {
    if (this.#closed) return;
    const longest = isLoopback(this.#url) ? longestPauseMs.loopback : longestPauseMs.network;
    const pause = Math.min(longest, shortestPauseMs * 2 ** this.#attempt) * (0.5 + Math.random());
    this.#attempt += 1;
    this.#retry = setTimeout(() => void this.#retryNow(), pause);
    this.#retry.unref();
  }

  async #retryNow(): Promise<void> {
    try {
      if (this.#options.reach !== undefined) this.#url = await this.#options.reach();
      if (this.#closed) return;
      this.#client = await this.#connect();
    } catch (thrown) {
      if (this.#closed) return;
      if (thrown instanceof PilinkError && finalCodes.has(thrown.code)) {
        this.#closed = true;
        this.events.emit("ended", thrown);
      } else this.#scheduleRetry();
      return;
    }
    this.#upSinceMs = performance.now();
    this.events.emit("up", { conn: this.#conn });
  }

  #call(what: string, start: (client: MqttClient, done: (error?: unknown) => void) => void): Promise<void> {
    const client = this.#client;
    if (client === undefined || !client.connected) return Promise.reject(lostWhile(what));
    return new Promise((resolve, reject) => {
      const onClose = () => reject(lostWhile(what));
      client.once("close", onClose);
      start(client, (error) => {
        client.off("close", onClose);
        if (error === undefined || error === null) resolve();
        else reject(lostWhile(what, error));
      });
    });
  }
}

const finalCodes = new Set<string>(["broker-stopped", "broker-credentials", "broker-protocol"]);

/**
 * Makes the broker forget the session of a client id (MQTT 3.1.1 §3.1.2.4).
 *
 * @throws PilinkError as {@link Link.open}
 */
export async function deleteSession(
  options: Omit<LinkOptions, "clean" | "onMessage" | "will" | "reach">,
): Promise<void> {
  const link = new Link({ ...options, clean: true, onMessage: () => undefined });
  await link.open();
  await link.close();
}

function textWill(will: { topic: string; payload: string }): { topic: string; payload: Buffer } {
  return { topic: will.topic, payload: Buffer.from(will.payload, "utf8") };
}

function untilConnected(client: MqttClient, address: string): Promise<void> {
  return new Promise((resolve, reject) => {
    let fault: unknown;
    client.once("connect", () => resolve());
    client.on("error", (error) => {
      fault ??= error;
      reject(explainRefusal(error, address));
    });
    client.once("close", () => reject(explainRefusal(fault ?? new Error("closed before CONNACK"), address)));
  });
}

function endClient(client: MqttClient, graceful: boolean, timeoutMs: number): Promise<void> {
  // `end()` waits for what is not acknowledged, for ever where the broker is gone: the time limit ends that.
  return new Promise((resolve) => {
    client.on("error", () => undefined);
    const force = () => client.end(true, () => resolve());
    if (!graceful || !client.connected) return force();
    // What arrives after DISCONNECT must not be acknowledged: the write after the end would reset the connection, and a
    // broker that meets the reset before it has read the DISCONNECT publishes the will. The error makes mqtt.js go on.
    client.handleMessage = (_packet, done) => done(new Error("the connection is closing"));
    const timer = setTimeout(force, timeoutMs);
    timer.unref();
    client.end(false, () => {
      clearTimeout(timer);
      resolve();
    });
  });
}
