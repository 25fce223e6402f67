import type { InboxEntry, Peer, PeerEvents } from "../../peer/peer.ts";
import { messageOf } from "../../protocol/errors.ts";
import type { HookOptions } from "../background/plan.ts";
import type { Desk } from "../desk.ts";
import { showMessage } from "../message.ts";
import { JobQueue } from "./job-queue.ts";
import { writeNotice } from "./notify-dir.ts";
import { runForMessage } from "./on-message.ts";
import { postNotice } from "./webhook.ts";

/** One event as a webhook and a file tell it. */
export interface Notice {
  event: "message" | "suspended" | "resumed" | "closed";
  network: string;
  /** The name of the peer that tells it. */
  peer: string;
  /** When it is told, in milliseconds since 1970. */
  told: number;
  [field: string]: unknown;
}

// More at once would only slow each other down; more waiting ones are not told, but wait in the inbox all the same.
const atOnce = 4;
const waitingLimit = 1_000;

interface Way {
  name: string;
  queue: JobQueue;
  tell(notice: Notice, entry: InboxEntry | undefined, signal: AbortSignal): Promise<void>;
}

/**
 * Tells others what happens to a background peer. A message that was told stays unread until it is taken; nothing of
 * this holds up delivery, and what fails is logged.
 */
export class Hooks {
  readonly #peer: Peer;
  readonly #desk: Desk;
  readonly #log: (line: string) => void;
  readonly #ways: Way[];
  readonly #ending = new AbortController();
  readonly #listeners: { [Name in keyof PeerEvents]?: (...args: PeerEvents[Name]) => void };

  /** @param folder where a command runs */
  constructor(peer: Peer, desk: Desk, options: HookOptions, folder: string, log: (line: string) => void) {
    this.#peer = peer;
    this.#desk = desk;
    this.#log = log;
    this.#ways = waysOf(peer, options, folder);
    this.#listeners = {
      message: (entry) => this.#tellMessage(entry),
      suspended: ({ host }) => this.#tell({ event: "suspended", host }),
      resumed: ({ host }) => this.#tell({ event: "resumed", host }),
      closed: ({ reason }) => this.#tell({ event: "closed", reason }),
    };
  }

  /** Begins, with what is unread already: nobody knows whether a life before this one told it. */
  start(): void {
    if (this.#ways.length === 0) return;
    for (const entry of this.#peer.unread()) this.#tellMessage(entry);
    for (const [name, listener] of Object.entries(this.#listeners)) {
      Reflect.apply(this.#peer.events.on, this.#peer.events, [name, listener]);
    }
  }

  /** Ends: what is under way has some time left, what waits is dropped then. Idempotent. */
  async close(graceMs: number): Promise<void> {
    for (const [name, listener] of Object.entries(this.#listeners)) {
      Reflect.apply(this.#peer.events.off, this.#peer.events, [name, listener]);
    }
    const idle = Promise.all(this.#ways.map(({ queue }) => queue.untilIdle()));
    const timer = setTimeout(() => {
      for (const { name, queue } of this.#ways) {
        const dropped = queue.drop();
        if (dropped > 0) this.#log(`${name}: ${dropped} were not told any more`);
      }
      this.#ending.abort();
    }, graceMs);
    await idle;
    clearTimeout(timer);
  }

  #tellMessage(entry: InboxEntry): void {
    // What is sent because of it goes out through this peer.
    this.#desk.chain.note(entry);
    this.#tell({ event: "message", ...showMessage(entry) }, entry);
  }

  #tell(fields: Pick<Notice, "event"> & Record<string, unknown>, entry?: InboxEntry): void {
    const notice: Notice = { ...fields, network: this.#peer.network, peer: this.#peer.name, told: Date.now() };
    for (const { name, queue, tell } of this.#ways) {
      const what = entry === undefined ? notice.event : `message ${entry.id}`;
      const isTaken = queue.add(async () => {
        try {
          await tell(notice, entry, this.#ending.signal);
        } catch (error) {
          this.#log(`${name}: ${what}: ${messageOf(error)}`);
        }
      });
      if (!isTaken) this.#log(`${name}: ${what} was not told: ${waitingLimit} others wait already`);
    }
  }
}

function waysOf(peer: Peer, { onMessage, webhook, webhookSecret, notifyDir }: HookOptions, folder: string): Way[] {
  const ways: Way[] = [];
  const add = (name: string, tell: Way["tell"]) => ways.push({ name, queue: new JobQueue(atOnce, waitingLimit), tell });
  if (onMessage !== undefined) {
    add("--on-message", async (_notice, entry, signal) => {
      if (entry !== undefined) await runForMessage(onMessage, folder, entry, peer, signal);
    });
  }
  if (webhook !== undefined) {
    add("--webhook", (notice, entry, signal) =>
      postNotice({ url: webhook, secret: webhookSecret }, notice, entry?.id, signal),
    );
  }
  if (notifyDir !== undefined) add("--notify-dir", (notice) => writeNotice(notifyDir, notice));
  return ways;
}
