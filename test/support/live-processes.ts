import { execFile } from "node:child_process";
import { readdir, readFile } from "node:fs/promises";
import { promisify } from "node:util";

/** A process of this machine. */
export interface LiveProcess {
  pid: number;
  parentPid: number;
  command: string;
}

/**
 * The processes whose command line or environment contains a text, without this process; on
 * systems without /proc only the command line is looked at. A zombie counts as dead.
 *
 * @param text usually the path of a test's home, which everything started for that test carries
 */
export async function liveProcesses(text: string): Promise<LiveProcess[]> {
  const all = process.platform === "linux" ? await readProcFolder(text) : await askPs(text);
  return all.filter(({ pid }) => pid !== process.pid);
}

/** True while a process exists and is no zombie. */
export async function isAlive(pid: number): Promise<boolean> {
  if (process.platform === "linux") {
    const status = await readOrNothing(`/proc/${pid}/stat`);
    return status !== "" && !/^\d+ \(.*\) [ZX] /s.test(status);
  }
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
}

async function readProcFolder(text: string): Promise<LiveProcess[]> {
  const found: LiveProcess[] = [];
  for (const entry of await readdir("/proc")) {
    if (!/^\d+$/.test(entry)) continue;
    const folder = `/proc/${entry}`;
    const command = (await readOrNothing(`${folder}/cmdline`)).replaceAll("\0", " ").trim();
    // An empty command line is a kernel thread or a zombie.
    if (command === "") continue;
    if (!command.includes(text) && !(await readOrNothing(`${folder}/environ`)).includes(text)) continue;
    const parent = /^\d+ \(.*\) \S (\d+) /s.exec(await readOrNothing(`${folder}/stat`))?.[1];
    if (parent === undefined) continue;
    found.push({ pid: Number(entry), parentPid: Number(parent), command });
  }
  return found;
}

/** Empty where the process ended meanwhile, or belongs to somebody else. */
async function readOrNothing(path: string): Promise<string> {
  try {
    return await readFile(path, "utf8");
  } catch {
    return "";
  }
}

async function askPs(text: string): Promise<LiveProcess[]> {
  const { stdout } = await promisify(execFile)("ps", ["-A", "-o", "pid=,ppid=,stat=,args="]);
  const found: LiveProcess[] = [];
  for (const line of stdout.split("\n")) {
    const [, pid, parentPid, state, command] = /^\s*(\d+)\s+(\d+)\s+(\S+)\s+(.*)$/.exec(line) ?? [];
    if (pid === undefined || command === undefined || state?.startsWith("Z") || !command.includes(text)) continue;
    found.push({ pid: Number(pid), parentPid: Number(parentPid), command });
  }
  return found;
}
