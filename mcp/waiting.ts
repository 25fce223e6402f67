import type { Intake } from "./intake.ts";
import type { Seat, Seated } from "./seat.ts";

/** What a wait is for, and how long it lasts. */
export interface Wait {
  /** How long at most, in milliseconds. */
  ms: number;
  /** Ends the wait. */
  signal: AbortSignal;
}

/**
 * Waits until a message is there that a model may be given, and takes it in the same step: another call may wait for
 * the same one.
 *
 * @param take takes what is there
 * @returns what it took: also where nothing came in time
 * @throws PilinkError `not-joined` where the network ended meanwhile, and with what it ended; what entering throws
 * @throws the signal's reason, where the call was given up: then nothing was taken
 */
export async function takeWhenThere<Took>(
  { seat, intake }: { seat: Seat; intake: Intake },
  { ms, signal }: Wait,
  take: (seated: Seated) => Took,
): Promise<Took> {
  const untilMs = performance.now() + ms;
  for (;;) {
    const seated = await seat.require(signal);
    signal.throwIfAborted();
    const leftMs = untilMs - performance.now();
    if (leftMs <= 0 || intake.sort(seated).given.length > 0) return take(seated);
    await nextChange(seat, leftMs, signal);
  }
}

function nextChange(seat: Seat, ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const done = () => {
      clearTimeout(timer);
      seat.events.off("inbox", done).off("over", done);
      signal.removeEventListener("abort", done);
      resolve();
    };
    const timer = setTimeout(done, ms);
    seat.events.on("inbox", done).on("over", done);
    signal.addEventListener("abort", done);
  });
}
