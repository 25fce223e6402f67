import { advanceState, type Receipt } from "../protocol/receipt.ts";
import { protocolVersion } from "../protocol/version.ts";
import type { Identity } from "./identity.ts";
import type { Inbox } from "./inbox.ts";
import type { Wire } from "./wire.ts";

/** What the receipts need of their surroundings. */
export interface ReceiptsPort {
  identity: Identity;
  wire: Pick<Wire, "publishReceipt">;
  inbox: Pick<Inbox, "flush" | "get">;
  /** The clock of the network, in milliseconds. */
  networkNowMs(): number;
  onDiskFault(error: unknown): void;
}

/** What the senders of messages are told of them (topics.md, `pilink/<network>/<peer>/receipts`). */
export class Receipts {
  readonly #port: ReceiptsPort;
  // What is not safe on the disk yet: the receipt that follows says how far the message has come by then.
  readonly #unflushed = new Set<string>();
  // What came in this turn of the event loop, with its sender.
  #arrived = new Map<string, string>();
  #flushing: NodeJS.Immediate | undefined;
  // A settled message is not repeated by its sender: what was lost with the connection has to be said again.
  readonly #unsent = new Map<string, { to: string; receipt: Receipt }>();

  constructor(port: ReceiptsPort) {
    this.#port = port;
  }

  /** A message has arrived, now or again: its sender is told once the disk has it ([DEL-2], [RCPT-4]). */
  acknowledge(to: string, id: string): void {
    this.#unflushed.add(id);
    this.#arrived.set(id, to);
    this.#flushing ??= setImmediate(() => void this.#flush());
  }

  /** A message has moved forward. Where the disk does not have it yet, the receipt that is due then says so. */
  restate(to: string, id: string, state: Receipt["state"]): void {
    if (!this.#unflushed.has(id)) this.publish(to, id, state);
  }

  /** Tells a sender. What the connection takes with it goes out again when that is back ([DEL-21]). */
  publish(to: string, id: string, state: Receipt["state"], reason?: string): void {
    const { net, name, epoch, box } = this.#port.identity;
    const receipt: Receipt = {
      v: protocolVersion,
      net,
      id,
      state,
      from: name,
      epoch,
      box,
      at: this.#port.networkNowMs(),
      ...(reason === undefined ? {} : { reason }),
    };
    this.#unsent.delete(id);
    this.#port.wire.publishReceipt(to, receipt).catch(() => {
      const stated = this.#unsent.get(id)?.receipt.state ?? state;
      if (advanceState(stated, state) === state) this.#unsent.set(id, { to, receipt });
    });
  }

  /** The connection is back: what it took with it goes out again. */
  resume(): void {
    for (const { to, receipt } of [...this.#unsent.values()]) {
      this.publish(to, receipt.id, receipt.state, receipt.reason);
    }
  }

  close(): void {
    clearImmediate(this.#flushing);
  }

  /** Has the disk take what came in this turn of the event loop, and then tells the senders. */
  async #flush(): Promise<void> {
    this.#flushing = undefined;
    const { inbox } = this.#port;
    const taken = this.#arrived;
    this.#arrived = new Map();
    try {
      await inbox.flush();
    } catch (error) {
      this.#port.onDiskFault(error);
      return;
    } finally {
      for (const id of taken.keys()) this.#unflushed.delete(id);
    }
    for (const [id, from] of taken) {
      const state = inbox.get(id)?.state ?? "unread";
      this.publish(from, id, state === "unread" ? "received" : state);
    }
  }
}
