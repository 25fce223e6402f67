// What waits for a reader that does not read is bounded; what is beyond that is counted.
const waitingLimit = 10_000;

interface StateEvent {
  event: "sent";
  id: string;
  [field: string]: unknown;
}

/** Writes events as JSON lines, in order, as fast as they are read. */
export class EventLines {
  readonly #stream: NodeJS.WritableStream;
  /** Called once nobody reads any more. */
  onBroken: () => void = () => undefined;
  readonly #waiting: { text: string; done: (isWritten: boolean) => void }[] = [];
  /** Messages whose outcome was not told yet: their states come after it. */
  readonly #silent = new Set<string>();
  #isWriting = false;
  #isBroken = false;
  #lost = 0;
  #flushed: (() => void)[] = [];

  constructor(stream: NodeJS.WritableStream) {
    this.#stream = stream;
  }

  /** True once a line could not be written. */
  get isBroken(): boolean {
    return this.#isBroken;
  }

  /** Takes an event. Where too many wait already, a later event `gap` says how many were left out. */
  offer(event: object): void {
    if (this.#waiting.length >= waitingLimit) this.#lost += 1;
    else void this.write(event);
  }

  /** The same for the state of a sent message, unless its outcome is still to be told, and has it then. */
  offerState(event: StateEvent): void {
    if (!this.#silent.has(event.id)) this.offer(event);
  }

  /** Holds back the states of messages until their outcome is told. */
  holdStates(ids: readonly string[]): void {
    for (const id of ids) this.#silent.add(id);
  }

  /** Ends {@link holdStates}. */
  releaseStates(ids: readonly string[]): void {
    for (const id of ids) this.#silent.delete(id);
  }

  /** Writes an event, however many wait. @returns whether the system has taken the line */
  write(event: object): Promise<boolean> {
    if (this.#isBroken) return Promise.resolve(false);
    return new Promise((done) => {
      this.#waiting.push({ text: `${JSON.stringify(event)}\n`, done });
      this.#next();
    });
  }

  /** Waits until everything is written, or nothing can be any more. */
  flush(): Promise<void> {
    if (!this.#isWriting) return Promise.resolve();
    return new Promise((resolve) => this.#flushed.push(resolve));
  }

  #next(): void {
    if (this.#isWriting) return;
    const line = this.#waiting.shift();
    if (line === undefined) {
      for (const resolve of this.#flushed.splice(0)) resolve();
      return;
    }
    this.#isWriting = true;
    const gap = this.#lost === 0 ? "" : `${JSON.stringify({ event: "gap", events: this.#lost })}\n`;
    this.#lost = 0;
    this.#stream.write(gap + line.text, (error) => {
      this.#isWriting = false;
      if (error === undefined || error === null) line.done(true);
      else this.#break(line.done);
      this.#next();
    });
  }

  #break(done: (isWritten: boolean) => void): void {
    const isFirst = !this.#isBroken;
    this.#isBroken = true;
    for (const waiting of [{ done }, ...this.#waiting.splice(0)]) waiting.done(false);
    if (isFirst) this.onBroken();
  }
}
