/** Runs jobs, a bounded number at once, and holds a bounded number of those that wait. */
export class JobQueue {
  readonly #atOnce: number;
  readonly #waitingLimit: number;
  readonly #waiting: (() => Promise<void>)[] = [];
  #running = 0;
  #idle: (() => void)[] = [];

  constructor(atOnce: number, waitingLimit: number) {
    this.#atOnce = atOnce;
    this.#waitingLimit = waitingLimit;
  }

  /**
   * Takes a job.
   *
   * @param job must not reject
   * @returns false where too many wait already; then it was not taken
   */
  add(job: () => Promise<void>): boolean {
    if (this.#waiting.length >= this.#waitingLimit) return false;
    this.#waiting.push(job);
    this.#next();
    return true;
  }

  /** Drops what waits. @returns how many jobs */
  drop(): number {
    return this.#waiting.splice(0).length;
  }

  /** Waits until nothing runs and nothing waits. */
  untilIdle(): Promise<void> {
    if (this.#running === 0 && this.#waiting.length === 0) return Promise.resolve();
    return new Promise((resolve) => this.#idle.push(resolve));
  }

  #next(): void {
    while (this.#running < this.#atOnce) {
      const job = this.#waiting.shift();
      if (job === undefined) break;
      this.#running += 1;
      void job().finally(() => {
        this.#running -= 1;
        this.#next();
      });
    }
    if (this.#running === 0 && this.#waiting.length === 0) for (const done of this.#idle.splice(0)) done();
  }
}
