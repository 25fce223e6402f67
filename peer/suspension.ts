/** What the rest of a peer learns when its network is suspended, resumed or closed. */
export interface SuspensionPort {
  onSuspended(): void;
  onResumed(): void;
  /** The closing time is over: this peer is the first, or among the first, to say so. */
  onExpired(): void;
  /** Called while suspended, to look whether the host's process is provably dead. */
  isHostDead(): Promise<boolean>;
  onHostDead(): void;
  nowMs(): number;
}

// A killed process holds its sockets until the kernel has ended it: the first looks follow each other closely.
const looksMs = [0, 30, 100, 300, 1_000, 3_000] as const;
const laterLookMs = 10_000;
// What the host's record says now comes with the subscription of a new connection: nobody closes before it.
const arrivalMs = 1_000;

/**
 * The network without its host: suspended, then closed, unless the host returns (topics.md, "The end of a network").
 * The closing time runs only while this peer is connected, so that nobody who was cut off reaches a verdict of its own.
 */
export class Suspension {
  readonly #port: SuspensionPort;
  readonly #closingMs: number;
  #suspended = false;
  #connected = false;
  #leftMs: number;
  #sinceMs = 0;
  #closing: NodeJS.Timeout | undefined;
  #looking: NodeJS.Timeout | undefined;
  #ended = false;

  /** @param closingMs how long the network stays suspended, in milliseconds of connected time */
  constructor(closingMs: number, port: SuspensionPort) {
    this.#closingMs = closingMs;
    this.#leftMs = closingMs;
    this.#port = port;
  }

  get isSuspended(): boolean {
    return this.#suspended;
  }

  /** The host is lost. */
  suspend(): void {
    if (this.#ended || this.#suspended) return;
    this.#suspended = true;
    this.#leftMs = this.#closingMs;
    this.#run();
    this.#port.onSuspended();
    this.#look(0);
  }

  /** The same life of the host is back. */
  resume(): void {
    if (this.#ended || !this.#suspended) return;
    this.#suspended = false;
    this.#pause();
    clearTimeout(this.#looking);
    this.#port.onResumed();
  }

  /** The own connection came or went. */
  setConnected(connected: boolean): void {
    if (this.#connected === connected) return;
    this.#connected = connected;
    if (!this.#suspended) return;
    if (connected) {
      this.#leftMs = Math.max(this.#leftMs, arrivalMs);
      this.#run();
      this.#look(0);
    } else this.#pause();
  }

  /** Ends every timer. Idempotent. */
  close(): void {
    this.#ended = true;
    clearTimeout(this.#closing);
    clearTimeout(this.#looking);
  }

  #run(): void {
    if (!this.#connected || this.#ended) return;
    this.#sinceMs = this.#port.nowMs();
    clearTimeout(this.#closing);
    this.#closing = setTimeout(() => this.#port.onExpired(), this.#leftMs);
    this.#closing.unref();
  }

  #pause(): void {
    if (this.#closing === undefined) return;
    clearTimeout(this.#closing);
    this.#closing = undefined;
    this.#leftMs = Math.max(0, this.#leftMs - (this.#port.nowMs() - this.#sinceMs));
  }

  #look(index: number): void {
    clearTimeout(this.#looking);
    this.#looking = setTimeout(() => void this.#lookNow(index), looksMs[index] ?? laterLookMs);
    this.#looking.unref();
  }

  async #lookNow(index: number): Promise<void> {
    // Where nothing can be seen, nothing is proven: the closing time decides.
    const dead = await this.#port.isHostDead().catch(() => false);
    if (this.#ended || !this.#suspended) return;
    if (dead) this.#port.onHostDead();
    else this.#look(index + 1);
  }
}
