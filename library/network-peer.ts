import type { EventEmitter } from "node:events";
import { Chain } from "../peer/chain.ts";
import type { InboxEntry, NetworkState, Peer, PeerEvents, RosterEntry, SendOutcome, SentEntry } from "../peer/peer.ts";
import { PilinkError } from "../protocol/errors.ts";
import { newId } from "../protocol/ids.ts";
import type { Json } from "../protocol/json.ts";

/** A message that arrived. */
export interface Message {
  id: string;
  /** The sender's name as it was stated; undefined where none was. */
  from: string | undefined;
  /** True if it came from a living peer of the network, false for what was published by hand. */
  verified: boolean;
  type: string;
  body: Json;
  /** The id of the message that it answers. */
  re: string | null;
  /** When it was sent, by the network's clock. */
  at: Date;
  /** True if later messages of its sender came before it. */
  late: boolean;
  /**
   * Answers it.
   *
   * @throws PilinkError `bad-argument` where nobody is known to have sent it; what {@link NetworkPeer.send} throws
   */
  reply(body: Json, options?: Omit<SendOptions, "re">): Promise<SendOutcome[]>;
}

/** How to send. */
export interface SendOptions {
  /** The id of the message that this one answers. */
  re?: string;
  type?: "message" | "task" | "result" | "query" | "file";
  /** How long it may wait for its receiver, in milliseconds; as long as the network lives unless set. */
  ttlMs?: number;
  /** How long to wait for `received`, in milliseconds; 5,000 unless set. */
  waitMs?: number;
  signal?: AbortSignal;
}

/**
 * A program in a network. Its messages are read with `for await`: one that was given out counts as handled when the
 * loop asks for the next one, or ends. What was not handled when the process died is given out again to the next
 * peer of the same name and folder.
 */
export class NetworkPeer implements AsyncIterable<Message>, AsyncDisposable {
  readonly #peer: Peer;
  readonly #chain = new Chain();
  readonly #session = `program-${newId()}`;
  #wake: Wake | undefined;

  /** Use `joinNetwork`, `createNetwork` or `enterNetwork`. */
  constructor(peer: Peer) {
    this.#peer = peer;
  }

  get name(): string {
    return this.#peer.name;
  }
  get network(): string {
    return this.#peer.network;
  }
  get kind(): "host" | "member" {
    return this.#peer.kind;
  }
  /** What the host says that the network is about. */
  get about(): string | undefined {
    return this.#peer.about;
  }
  get state(): NetworkState {
    return this.#peer.state;
  }
  /** Who is here, the host first, then by name. */
  get roster(): RosterEntry[] {
    return this.#peer.roster();
  }
  /** What became of the messages that were sent, the oldest first. */
  get sent(): SentEntry[] {
    return this.#peer.sent();
  }
  /** What happens: see `PeerEvents`. */
  get events(): EventEmitter<PeerEvents> {
    return this.#peer.events;
  }

  /**
   * Sends a message, and waits until each receiver has it on disk or the wait is over. What was not refused is
   * delivered in any case, also after a restart of this program.
   *
   * @param to a name, several, or `all` for everybody else who is here now
   * @param body a text, or any JSON; at most 1 MiB
   * @returns one outcome for each receiver
   * @throws PilinkError `network-suspended`, `network-closed`, `not-joined`, `too-big`, `bad-payload`, `not-approved`:
   *   nothing was sent to anybody
   */
  send(to: string | string[], body: Json, options: SendOptions = {}): Promise<SendOutcome[]> {
    const { re = null, ...rest } = options;
    return this.#peer.send({ to, body, re, ...rest, ...this.#chain.next() });
  }

  /**
   * The messages, in order, as they come. It ends when the network does, or when this peer leaves.
   *
   * @throws PilinkError `bad-argument` while another loop reads
   */
  async *[Symbol.asyncIterator](): AsyncIterator<Message> {
    if (this.#wake !== undefined) {
      throw new PilinkError("bad-argument", "Another loop reads this peer's messages. Read them in one place.");
    }
    const wake = new Wake(this.#peer);
    this.#wake = wake;
    // On a full disk no mark can be written: the message stays unread, and is given out once all the same.
    const given = new Set<string>();
    try {
      for (;;) {
        const entry = this.#peer.unread().find(({ id }) => !given.has(id));
        if (entry !== undefined) {
          given.add(entry.id);
          this.#chain.note(entry);
          // Whoever reads it comes first; by then it may be more than injected.
          setImmediate(() => this.#peer.markInjected([entry.id], this.#session));
          try {
            yield this.#toMessage(entry);
          } finally {
            this.#peer.markSeen([entry.id]);
            if (entry.state !== "unread") given.delete(entry.id);
          }
        } else if (this.#isOver()) return;
        else await wake.next();
      }
    } finally {
      wake.close();
      this.#wake = undefined;
    }
  }

  /** Leaves the network. Idempotent. */
  close(): Promise<void> {
    const left = this.#peer.leave();
    this.#wake?.now();
    return left;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  #isOver(): boolean {
    return this.#peer.state === "closed" || this.#peer.state === "left";
  }

  #toMessage({ id, from, verified, type, body, re, atMs, late }: InboxEntry): Message {
    return {
      id,
      from,
      verified,
      type,
      body,
      re,
      at: new Date(atMs),
      late,
      reply: async (answer, options = {}) => {
        if (from === undefined || !verified) {
          throw new PilinkError("bad-argument", `Message ${id} was published by hand, so there is nobody to answer.`, {
            value: id,
          });
        }
        return this.send(from, answer, { ...options, re: id });
      },
    };
  }
}

const waking = ["message", "closed", "displaced"] as const satisfies readonly (keyof PeerEvents)[];

/** Waits for something that a reader may want to know. */
class Wake {
  readonly #peer: Peer;
  #isDue = false;
  #resolve: (() => void) | undefined;

  constructor(peer: Peer) {
    this.#peer = peer;
    for (const name of waking) peer.events.on(name, this.now);
  }

  readonly now = (): void => {
    this.#isDue = true;
    this.#resolve?.();
  };

  async next(): Promise<void> {
    if (!this.#isDue) {
      await new Promise<void>((resolve) => {
        this.#resolve = resolve;
      });
    }
    this.#isDue = false;
    this.#resolve = undefined;
  }

  close(): void {
    for (const name of waking) this.#peer.events.off(name, this.now);
  }
}
