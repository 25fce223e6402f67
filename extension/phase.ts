import type { ExtensionContext } from "@earendil-works/pi-coding-agent";

// A run that /new ends settles like any other: what is put into the session then would go with it.
const settlingMs = 50;

/** What a session is doing when something begins to look at it. */
export interface PhaseStart {
  isRunning: boolean;
  isCompacting: boolean;
}

/** What a session is doing, as Pi's events tell it: whether it can take a message, and what others see of it. */
export class Phase {
  readonly #onChanged: () => void;
  #isCompacting: boolean;
  #isRunning: boolean;
  #isTurnEnd = false;
  #isAsking = false;
  #settling: NodeJS.Timeout | undefined;

  /** @param onChanged called when what was said here may have changed what can be done */
  constructor({ isRunning, isCompacting }: PhaseStart, onChanged: () => void) {
    this.#isRunning = isRunning;
    this.#isCompacting = isCompacting;
    this.#onChanged = onChanged;
  }

  /** True while a turn of the run is over and the next has not begun. */
  get isTurnEnd(): boolean {
    return this.#isTurnEnd;
  }

  /** True for a moment after a run. */
  get isSettling(): boolean {
    return this.#settling !== undefined;
  }

  /** True if a message can be put into the session, and a turn started. */
  canTake(ctx: Pick<ExtensionContext, "isIdle">): boolean {
    return ctx.isIdle() || (this.#isRunning && !this.#isCompacting);
  }

  /** The person is being asked, or no longer: others see what this agent waits for. */
  noteAsking(isAsking: boolean): void {
    this.#isAsking = isAsking;
    this.#onChanged();
  }

  noteCompacting(isCompacting: boolean): void {
    this.#isCompacting = isCompacting;
    if (!isCompacting) this.#onChanged();
  }

  noteRunning(isRunning: boolean): void {
    this.#isRunning = isRunning;
    this.close();
    if (!isRunning) {
      this.#settling = setTimeout(() => {
        this.#settling = undefined;
        this.#onChanged();
      }, settlingMs).unref();
    }
    this.#onChanged();
  }

  /**
   * A turn of the run is over, and Pi is about to take what steers the next one. At any other moment that would wait in
   * Pi's queue, which the person's Esc clears.
   */
  noteTurnEnd(): void {
    this.#isTurnEnd = true;
    this.#onChanged();
    this.#isTurnEnd = false;
  }

  /** What others see of it. @param hasPending true where messages wait that a turn can be started on */
  describe(hasPending: boolean): string {
    if (this.#isAsking) return "waiting for its user";
    if (this.#isRunning) return "working";
    return hasPending ? "waiting for its user" : "idle";
  }

  /** The session ends. */
  close(): void {
    clearTimeout(this.#settling);
    this.#settling = undefined;
  }
}
