import type { JSONRPCMessage, RequestId, Transport } from "@modelcontextprotocol/server";
import { z } from "zod";

/** What happens on the line to the client. */
export interface LineObserver {
  /** A message of the client came, and is about to be handled. */
  onMessage(message: JSONRPCMessage): void;
  /** The client gave up the request with that id: it takes no answer to it any more. */
  onCancelled(id: RequestId): void;
  /** The answer to the request with that id was handed to the operating system. */
  onAnswered(id: RequestId): void;
  /** The client is gone. Called once. */
  onClosed(): void;
}

const cancelledSchema = z.object({
  method: z.literal("notifications/cancelled"),
  params: z.object({ requestId: z.union([z.string(), z.number()]) }),
});

/**
 * A transport with an observer: what the client has taken of an answer can only be told from what it sends after it,
 * and the SDK does not show that to the handlers of requests.
 */
export class ClientLine implements Transport {
  readonly #line: Transport;
  readonly #observer: LineObserver;
  onmessage?: Transport["onmessage"];
  onerror?: Transport["onerror"];
  onclose?: Transport["onclose"];

  constructor(line: Transport, observer: LineObserver) {
    this.#line = line;
    this.#observer = observer;
  }

  async start(): Promise<void> {
    this.#line.onmessage = (message, extra) => {
      const cancelled = cancelledSchema.safeParse(message);
      if (cancelled.success) this.#observer.onCancelled(cancelled.data.params.requestId);
      else this.#observer.onMessage(message);
      this.onmessage?.(message, extra);
    };
    this.#line.onerror = (error) => this.onerror?.(error);
    this.#line.onclose = () => {
      this.onclose?.();
      this.#observer.onClosed();
    };
    await this.#line.start();
  }

  async send(...[message, options]: Parameters<Transport["send"]>): Promise<void> {
    await this.#line.send(message, options);
    if ("id" in message && message.id !== undefined && "result" in message) this.#observer.onAnswered(message.id);
  }

  close(): Promise<void> {
    return this.#line.close();
  }
}
