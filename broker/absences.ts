/** How long sessions are kept for clients that are away, and how many of them. */
export interface AbsenceLimits {
  sessions: number;
  /** In ms. */
  expiryMs: number;
}

/** What a session's client is, as far as this matters here. */
export interface SessionClient {
  id: string;
  /** True where the session ends with the connection. */
  clean: boolean;
  conn: { once(event: "close", listener: () => void): unknown };
}

/**
 * Which clients with a persistent session are away, and for how long.
 *
 * Cause: Aedes keeps the subscriptions and the queue of every client that ever connected with clean session 0, for as
 * long as the broker runs: a peer that was killed never comes back to end its session. Who returns later than this
 * finds no session, subscribes again, and gets what waits for it from the outboxes of the senders.
 */
export class Absences {
  readonly #limits: AbsenceLimits;
  readonly #forget: (clientId: string) => void;
  readonly #connections = new Map<string, Set<object>>();
  // In the order in which they left.
  readonly #absent = new Map<string, number>();

  /** @param forget ends the session of a client that was away for too long */
  constructor(limits: AbsenceLimits, forget: (clientId: string) => void) {
    this.#limits = limits;
    this.#forget = forget;
  }

  /** How many sessions are kept for clients that are away. */
  get count(): number {
    return this.#absent.size;
  }

  /** A client connects; call it before Aedes looks for its session. */
  arrive({ id, clean, conn }: SessionClient, nowMs: () => number): void {
    this.#absent.delete(id);
    // Not Aedes' own events: it tells nothing of a connection that ends before it is registered.
    const connections = this.#connections.get(id) ?? new Set();
    this.#connections.set(id, connections);
    connections.add(conn);
    conn.once("close", () => {
      connections.delete(conn);
      if (connections.size > 0) return;
      this.#connections.delete(id);
      if (!clean) this.#leave(id, nowMs());
    });
  }

  /** Ends the sessions of those who are away for too long. */
  expire(nowMs: number): void {
    for (const [id, leftMs] of this.#absent) {
      // The rest left later.
      if (nowMs - leftMs < this.#limits.expiryMs) return;
      this.#end(id);
    }
  }

  #leave(id: string, nowMs: number): void {
    this.#absent.set(id, nowMs);
    if (this.#absent.size <= this.#limits.sessions) return;
    const { value: oldest } = this.#absent.keys().next();
    if (oldest !== undefined) this.#end(oldest);
  }

  #end(id: string): void {
    this.#absent.delete(id);
    this.#forget(id);
  }
}
