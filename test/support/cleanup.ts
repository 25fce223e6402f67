import { type ChildProcess, spawn } from "node:child_process";

/**
 * What this process has opened and must not leave behind. Processes exist once for the whole
 * operating system, so their list stands here once for the whole test process.
 */
const openThings = new Set<() => Promise<void> | void>();
const livePids = new Set<number>();
let watchdog: ChildProcess | undefined;

/**
 * Notes that something has to be ended by {@link stopEverything}.
 *
 * @param end must be idempotent
 * @returns to be called when the thing has ended by itself
 */
export function onCleanup(end: () => Promise<void> | void): () => void {
  openThings.add(end);
  return () => openThings.delete(end);
}

/**
 * Ends, newest first, everything that was noted by {@link onCleanup}; for `afterEach` and `afterAll`.
 *
 * @throws AggregateError of everything that could not be ended
 */
export async function stopEverything(): Promise<void> {
  const failures: unknown[] = [];
  for (const end of [...openThings].reverse()) {
    openThings.delete(end);
    try {
      await end();
    } catch (failure) {
      failures.push(failure);
    }
  }
  if (failures.length > 0) throw new AggregateError(failures, "Something did not end as it should.");
}

/**
 * Makes sure that a process does not outlive this one, however this one ends.
 *
 * @param pid the process to guard
 * @returns to be called when that process has ended
 */
export function guardProcess(pid: number): () => void {
  livePids.add(pid);
  tellWatchdog();
  return () => {
    if (livePids.delete(pid)) tellWatchdog();
  };
}

// A test runner may be killed with SIGKILL, where no handler of its own runs: a shell that reads
// the list of living processes from a pipe kills them when the pipe closes.
const watchdogScript =
  'pids=""; while read -r line; do pids="$line"; done; [ -z "$pids" ] || kill -9 $pids 2>/dev/null; exit 0';

function tellWatchdog(): void {
  if (watchdog === undefined) {
    // A session of its own, so that Ctrl+C in the terminal does not end it before its work.
    watchdog = spawn("/bin/sh", ["-c", watchdogScript], { stdio: ["pipe", "ignore", "ignore"], detached: true });
    watchdog.unref();
    // It may be gone when the machine is short of processes; the exit handler is then what remains.
    watchdog.stdin?.on("error", () => undefined);
    if (watchdog.stdin && "unref" in watchdog.stdin && typeof watchdog.stdin.unref === "function") {
      watchdog.stdin.unref();
    }
    process.on("exit", killGuarded);
  }
  watchdog.stdin?.write(`${[...livePids].join(" ")}\n`);
}

function killGuarded(): void {
  for (const pid of livePids) {
    try {
      process.kill(pid, "SIGKILL");
    } catch {
      // It ended by itself in the meantime.
    }
  }
}
