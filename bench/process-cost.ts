import { readFile } from "node:fs/promises";
import { setTimeout as pause } from "node:timers/promises";

// The kernel counts processor time in ticks of this length for every Linux program.
const tickMs = 10;

/** Whether this system tells what a process costs: the figures are read from `/proc`. */
export function tellsCosts(): boolean {
  return process.platform === "linux";
}

/** The memory that a process has in use, in MB: what `ps` calls RSS. */
export async function residentMB(pid: number): Promise<number> {
  const text = await readFile(`/proc/${pid}/status`, "utf8");
  return numberIn(text, /^VmRSS:\s+(\d+) kB$/m) / 1024;
}

/** The processor time that a process has used, in milliseconds. */
export async function processorMs(pid: number): Promise<number> {
  const text = await readFile(`/proc/${pid}/stat`, "utf8");
  // The name of the program, in parentheses, may hold spaces.
  const fields = text.slice(text.lastIndexOf(")") + 2).split(" ");
  return (Number(fields[11]) + Number(fields[12])) * tickMs;
}

/** What a process has handed to the kernel to be written, to sockets and files, since it began. */
export async function written(pid: number): Promise<{ bytes: number; calls: number }> {
  const text = await readFile(`/proc/${pid}/io`, "utf8");
  return { bytes: numberIn(text, /^wchar: (\d+)$/m), calls: numberIn(text, /^syscw: (\d+)$/m) };
}

// Of one processor, so that a process which looks after its connections counts as calm.
const calmShare = 0.05;
const calmLookMs = 200;
const calmLimitMs = 10_000;

/** Waits until processes have done what they had to do, at most 10 s; at once where the system tells no costs. */
export async function untilCalm(pids: readonly number[]): Promise<void> {
  if (!tellsCosts()) return;
  const usedMs = async () => (await Promise.all(pids.map(processorMs))).reduce((total, each) => total + each, 0);
  let before = await usedMs();
  for (let waitedMs = 0; waitedMs < calmLimitMs; waitedMs += calmLookMs) {
    await pause(calmLookMs);
    const after = await usedMs();
    if (after - before <= calmShare * calmLookMs) return;
    before = after;
  }
}

function numberIn(text: string, pattern: RegExp): number {
  const found = pattern.exec(text)?.[1];
  if (found === undefined) throw new Error(`The system tells nothing for ${pattern}:\n${text}`);
  return Number(found);
}
