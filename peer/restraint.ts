import { PilinkError } from "../protocol/errors.ts";

/** What a model may send to one peer (topics.md, "Loops"). Durations in milliseconds. */
export const restraintLimits = { repeatMs: 10_000, messages: 20, withinMs: 60_000 } as const;

interface Sending {
  text: string;
  atMs: number;
}

/**
 * Keeps a model from sending without end: the same text again, or too many messages to one peer. It is asked for what
 * a model sends, never for what a person sends.
 */
export class Restraint {
  readonly #sendings = new Map<string, Sending[]>();
  readonly #nowMs: () => number;

  /** @param nowMs a clock that only moves forward, in milliseconds */
  constructor(nowMs: () => number = () => performance.now()) {
    this.#nowMs = nowMs;
  }

  /**
   * Looks whether a message may go now.
   *
   * @returns `too-many` where it may not
   */
  check(to: string, text: string): PilinkError | undefined {
    const nowMs = this.#nowMs();
    const { repeatMs, messages, withinMs } = restraintLimits;
    const recent = this.#recent(to, nowMs);
    if (recent.some((sending) => sending.text === text && nowMs - sending.atMs < repeatMs)) {
      return new PilinkError(
        "too-many",
        `The same text was sent to "${to}" less than ${repeatMs / 1000} s ago. Do not send it again; an answer, if there is one, comes as a message.`,
        { value: to },
      );
    }
    if (recent.length < messages) return undefined;
    return new PilinkError(
      "too-many",
      `${messages} messages were sent to "${to}" within ${withinMs / 1000} s, which is the limit. Put what is left into one message, and send it later.`,
      { value: to },
    );
  }

  /** Notes that a message goes. */
  note(to: string, text: string): void {
    const nowMs = this.#nowMs();
    this.#sendings.set(to, [...this.#recent(to, nowMs), { text, atMs: nowMs }]);
  }

  #recent(to: string, nowMs: number): Sending[] {
    return (this.#sendings.get(to) ?? []).filter(({ atMs }) => nowMs - atMs < restraintLimits.withinMs);
  }
}
