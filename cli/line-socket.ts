import type { Socket } from "node:net";

/** A connection that carries one JSON value on each line, both ways. */
export class LineSocket {
  readonly #socket: Socket;
  readonly #limitBytes: number;
  readonly #lines: string[] = [];
  #text = "";
  #isOver = false;
  #wake: (() => void) | undefined;

  /** @param limitBytes how long a line may be; a longer one ends the connection */
  constructor(socket: Socket, limitBytes: number) {
    this.#socket = socket;
    this.#limitBytes = limitBytes;
    socket.setEncoding("utf8");
    socket.on("data", (chunk: string) => this.#read(chunk));
    // Whoever goes away in the middle has ended the conversation; the one who listens for more learns it by `next`.
    socket.on("error", () => socket.destroy());
    socket.on("end", () => this.#finish());
    socket.on("close", () => this.#finish());
  }

  /** Aborted when the connection has ended. */
  get over(): AbortSignal {
    const controller = new AbortController();
    if (this.#socket.destroyed || this.#isOver) controller.abort();
    else {
      this.#socket.once("end", () => controller.abort());
      this.#socket.once("close", () => controller.abort());
    }
    return controller.signal;
  }

  /**
   * The value of the next line.
   *
   * @returns undefined at the end
   * @throws SyntaxError where the line is no JSON
   */
  async next(): Promise<unknown> {
    for (;;) {
      const line = this.#lines.shift();
      if (line !== undefined) return JSON.parse(line);
      if (this.#isOver) return undefined;
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
  }

  /** Writes a line. What the other side does not want any more is dropped. */
  send(value: object): Promise<void> {
    return new Promise((resolve) => {
      if (this.#socket.destroyed || !this.#socket.writable) resolve();
      else this.#socket.write(`${JSON.stringify(value)}\n`, () => resolve());
    });
  }

  /** Ends the connection once everything is written. Idempotent. */
  end(): void {
    this.#socket.end();
  }

  /** Breaks the connection. Idempotent. */
  destroy(): void {
    this.#socket.destroy();
  }

  #read(chunk: string): void {
    const parts = (this.#text + chunk).split("\n");
    this.#text = parts.pop() ?? "";
    this.#lines.push(...parts);
    if (this.#text.length > this.#limitBytes) this.#socket.destroy();
    if (parts.length > 0) this.#wake?.();
  }

  #finish(): void {
    this.#isOver = true;
    this.#wake?.();
  }
}
