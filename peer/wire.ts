import { EventEmitter } from "node:events";
import { type Control, decodeControl, encodeControl } from "../protocol/control.ts";
import { decodeInboxPayload, type InboxPayload } from "../protocol/envelope.ts";
import { messageOf, PilinkError, quoteValue } from "../protocol/errors.ts";
import {
  type ClosingMark,
  decodeClosingMark,
  decodePresence,
  encodeClosingMark,
  encodePresence,
  type Presence,
} from "../protocol/presence.ts";
import { decodeReceipt, encodeReceipt, type Receipt } from "../protocol/receipt.ts";
import { type Channel, everyone, formatTopic, parseTopic } from "../protocol/topics.ts";
import { type Delivered, Link, type LinkOptions } from "./link.ts";

/** A control payload that asks for an answer. */
type Question = Extract<Control, { id: string }>;
/** A control payload that answers another one. */
export type Answer = Extract<Control, { re: string }>;

/** What arrives, decoded. Listeners run before the message is acknowledged to the broker. */
export interface WireEvents {
  /** A peer's record; undefined for an empty one. */
  presence: [name: string, record: Presence | undefined, retained: boolean];
  mark: [mark: ClosingMark | undefined];
  control: [control: Control];
  receipt: [receipt: Receipt];
  inbox: [payload: InboxPayload];
  rejected: [{ topic: string; error: PilinkError }];
}

interface Awaited {
  settle: (answer: Answer | undefined) => void;
}

/** One network's topics over one link: every payload typed on its way in and out. */
export class Wire {
  readonly events = new EventEmitter<WireEvents>();
  readonly link: Link;
  readonly #network: string;
  readonly #name: string;
  readonly #questions = new Map<string, Awaited>();
  readonly #probes = new Map<string, () => void>();
  // Almost everything that comes: it need not be taken apart each time.
  readonly #ownTopics: ReadonlyMap<string, Exclude<Channel, "presence">>;

  /**
   * @param network the network's name
   * @param name the peer's own name
   * @param options how to reach the broker
   */
  constructor(network: string, name: string, options: Omit<LinkOptions, "onMessage">) {
    this.#network = network;
    this.#name = name;
    this.#ownTopics = new Map(
      (["inbox", "receipts", "control"] as const).map((channel) => [formatTopic(network, name, channel), channel]),
    );
    this.link = new Link({ ...options, onMessage: (delivered) => this.#receive(delivered) });
  }

  /**
   * Subscribes to what is addressed to this peer.
   *
   * @param kind a host, and whoever wants to be one, also hears what is asked of any host
   */
  subscribeOwn(channels: Channel[], kind: Presence["kind"]): Promise<void> {
    const own = channels.map((channel) => formatTopic(this.#network, this.#name, channel));
    return this.link.subscribe(kind === "host" ? [...own, formatTopic(this.#network, everyone, "control")] : own);
  }

  /** Subscribes to every record of the network; the retained ones come, again if need be. */
  subscribePresence(): Promise<void> {
    return this.link.subscribe([formatTopic(this.#network, "+", "presence")]);
  }

  publishPresence(name: string, presence: Presence): Promise<void> {
    return this.link.publish(formatTopic(this.#network, name, "presence"), encodePresence(presence), true);
  }

  clearPresence(name: string): Promise<void> {
    return this.link.publish(formatTopic(this.#network, name, "presence"), "", true);
  }

  publishMark(mark: ClosingMark): Promise<void> {
    return this.link.publish(formatTopic(this.#network, everyone, "presence"), encodeClosingMark(mark), true);
  }

  clearMark(): Promise<void> {
    return this.link.publish(formatTopic(this.#network, everyone, "presence"), "", true);
  }

  publishReceipt(to: string, receipt: Receipt): Promise<void> {
    return this.link.publish(formatTopic(this.#network, to, "receipts"), encodeReceipt(receipt));
  }

  /** @param text an envelope as `encodeEnvelope` or `restateEnvelope` wrote it */
  publishEnvelope(to: string, text: string): Promise<void> {
    return this.link.publish(formatTopic(this.#network, to, "inbox"), text);
  }

  /** @param to a peer's name, or `_all` for what is meant for the host, whoever that is */
  publishControl(to: string, control: Control): Promise<void> {
    return this.link.publish(formatTopic(this.#network, to, "control"), encodeControl(control));
  }

  /**
   * Asks a peer something.
   *
   * @param to as for {@link publishControl}
   * @param timeoutMs how long to wait for the answer
   * @returns undefined where none came, or the connection ended
   */
  async ask(to: string, question: Question, timeoutMs: number): Promise<Answer | undefined> {
    const answered = new Promise<Answer | undefined>((resolve) => {
      const settle = (answer: Answer | undefined) => {
        clearTimeout(timer);
        this.#questions.delete(question.id);
        resolve(answer);
      };
      const timer = setTimeout(() => settle(undefined), timeoutMs);
      timer.unref();
      this.#questions.set(question.id, { settle });
    });
    try {
      await this.publishControl(to, question);
    } catch (error) {
      this.#questions.get(question.id)?.settle(undefined);
      if (!(error instanceof PilinkError) || error.code !== "connection-lost") throw error;
    }
    return answered;
  }

  /**
   * Publishes a probe on one of this peer's own topics and waits until it comes back: a broker acknowledges what it
   * forbids and drops it (MQTT 3.1.1 §3.3.5), so only a round trip shows what is permitted.
   *
   * @param id a new id
   * @param epoch this life
   * @returns true if it came back in time
   */
  async probe(
    channel: "inbox" | "receipts" | "control",
    id: string,
    epoch: string,
    timeoutMs: number,
  ): Promise<boolean> {
    const text = encodeControl({ v: 1, type: "probe", from: this.#name, epoch, id });
    const key = `${channel} ${text}`;
    const returned = new Promise<boolean>((resolve) => {
      const settle = (came: boolean) => {
        clearTimeout(timer);
        this.#probes.delete(key);
        resolve(came);
      };
      const timer = setTimeout(() => settle(false), timeoutMs);
      timer.unref();
      this.#probes.set(key, () => settle(true));
    });
    await this.link.publish(formatTopic(this.#network, this.#name, channel), text);
    return returned;
  }

  #receive({ topic, payload, retained }: Delivered): void {
    try {
      const own = this.#ownTopics.get(topic);
      const { peer, channel } = own === undefined ? parseTopic(topic) : { peer: this.#name, channel: own };
      if (channel === "presence") this.#receivePresence(peer, payload, retained);
      else this.#receiveDirect(channel, payload, retained);
    } catch (error) {
      const known = error instanceof PilinkError ? error : fault(topic, error);
      this.events.emit("rejected", { topic, error: known });
    }
  }

  #receivePresence(peer: string, payload: Buffer, retained: boolean): void {
    if (peer === everyone) {
      this.events.emit("mark", payload.byteLength === 0 ? undefined : decodeClosingMark(payload));
    } else {
      this.events.emit("presence", peer, payload.byteLength === 0 ? undefined : decodePresence(payload), retained);
    }
  }

  #receiveDirect(channel: Exclude<Channel, "presence">, payload: Buffer, retained: boolean): void {
    if (payload.byteLength === 0) return;
    if (retained) {
      throw new PilinkError(
        "bad-payload",
        `A retained payload on ${channel} would come again at every subscription; it is dropped. Publish it without retain, and clear it with an empty retained one.`,
      );
    }
    if (this.#takeProbe(channel, payload)) return;
    if (channel === "inbox") this.events.emit("inbox", decodeInboxPayload(payload));
    else if (channel === "receipts") this.events.emit("receipt", decodeReceipt(payload));
    else this.#receiveControl(decodeControl(payload));
  }

  #receiveControl(control: Control): void {
    if ("re" in control) {
      this.#questions.get(control.re)?.settle(control);
      // A pong that nobody waits for any more still shows that its sender lives.
    }
    this.events.emit("control", control);
  }

  /** @returns true for a probe, also for another life's, which means nothing here */
  #takeProbe(channel: string, payload: Buffer): boolean {
    if (payload.byteLength > 512 || !payload.includes('"probe"')) return false;
    const came = this.#probes.get(`${channel} ${payload.toString("utf8")}`);
    if (came !== undefined) {
      came();
      return true;
    }
    try {
      return decodeControl(payload).type === "probe";
    } catch {
      // Not one of ours: whoever reads the channel judges what it is.
      return false;
    }
  }
}

/** A fault of our own while a message was taken in: it is counted and shown like a payload that does not fit. */
function fault(topic: string, error: unknown): PilinkError {
  return new PilinkError("bad-payload", `A payload on ${quoteValue(topic)} could not be taken: ${messageOf(error)}.`, {
    cause: error,
  });
}
