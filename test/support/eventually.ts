import { setTimeout as pause } from "node:timers/promises";

/** How long {@link eventually} and {@link withinDeadline} may take. */
export interface Deadline {
  /** After how many milliseconds to give up. */
  timeoutMs?: number;
  /** How many milliseconds lie between two checks. */
  everyMs?: number;
}

/**
 * Repeats a check until it holds.
 *
 * @param check throws, or gives `false`, for as long as the condition does not hold
 * @param deadline when to give up (5 s) and how often to look (every 20 ms)
 * @returns what the check gave when it held
 * @throws the check's last error when the time is up
 */
export async function eventually<Value>(
  check: () => Value | Promise<Value>,
  { timeoutMs = 5_000, everyMs = 20 }: Deadline = {},
): Promise<Value> {
  const givesUpAt = performance.now() + timeoutMs;
  for (;;) {
    let failure: unknown;
    try {
      const value = await check();
      if (value !== false) return value;
      failure = new Error(`The condition was still false after ${timeoutMs} ms: ${check.toString()}`);
    } catch (thrown) {
      failure = thrown;
    }
    if (performance.now() >= givesUpAt) throw failure;
    await pause(everyMs);
  }
}

/**
 * Waits for a promise, but not for ever.
 *
 * @param promise what is waited for
 * @param timeoutMs after how many milliseconds to give up
 * @param describe makes the text of the error, called only when the time is up
 * @throws Error with that text when the time is up, or what the promise rejects with
 */
export async function withinDeadline<Value>(
  promise: Promise<Value>,
  timeoutMs: number,
  describe: () => string,
): Promise<Value> {
  let timer: NodeJS.Timeout | undefined;
  const expiry = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(() => reject(new Error(describe())), timeoutMs);
  });
  try {
    return await Promise.race([promise, expiry]);
  } finally {
    clearTimeout(timer);
  }
}
