import { type Carried, dropCarried } from "./connection.ts";

/**
 * Begins an attempt to enter a network, after it has ended the one before.
 *
 * @param carried what the sessions of this Pi have in common
 * @param work does it; what it throws once it was ended is not told to anybody
 * @throws what `work` throws
 */
export async function runAttempt(carried: Carried, work: (signal: AbortSignal) => Promise<void>): Promise<void> {
  endAttempt(carried);
  // It may hold the name that this one wants.
  await Promise.allSettled([carried.attempt?.done]);
  const controller = new AbortController();
  const done = work(controller.signal)
    .catch((error: unknown) => {
      if (!controller.signal.aborted) throw error;
    })
    .finally(() => {
      if (carried.attempt?.controller === controller) carried.attempt = undefined;
    });
  carried.attempt = { controller, done };
  await done;
}

/**
 * Ends the attempt to enter that is under way; it may take a moment to be over.
 *
 * @returns false where there was none
 */
export function endAttempt(carried: Carried): boolean {
  const isUnderWay = isEntering(carried);
  carried.attempt?.controller.abort();
  return isUnderWay;
}

/** True while an attempt to enter is under way that nobody has ended. */
export function isEntering({ attempt }: Carried): boolean {
  return attempt?.controller.signal.aborted === false;
}

/**
 * Pi quits: the peer leaves, and nothing is entered any more.
 *
 * @param limitMs after this Pi is not held up any longer
 */
export async function endCarried(carried: Carried, limitMs: number): Promise<void> {
  carried.isOver = true;
  carried.unfollow?.();
  dropCarried(carried);
  // The peer drops its connection by itself before the limit, so that nothing keeps the process alive after it.
  const left = carried.connection?.peer.leave(limitMs - 100);
  endAttempt(carried);
  await Promise.race([
    Promise.allSettled([left, carried.attempt?.done]),
    new Promise<void>((resolve) => setTimeout(resolve, limitMs).unref()),
  ]);
}
