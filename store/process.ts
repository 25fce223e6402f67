import { execFileSync } from "node:child_process";
import { readFileSync, readlinkSync } from "node:fs";
import { hostname } from "node:os";
import type { ProcessIdentity } from "./process-identity.ts";

/** Whether a process lives; `unknown` where that cannot be seen from here (another machine, another container). */
export type Liveness = "living" | "dead" | "unknown";

/** The identity of the process that asks. */
export function ownIdentity(): ProcessIdentity {
  return identityOf(process.pid);
}

/**
 * The identity of a process of this machine.
 *
 * @param pid a process id; the process should be living
 */
export function identityOf(pid: number): ProcessIdentity {
  return {
    pid,
    start: processStartOf(pid) ?? null,
    host: hostname(),
    boot: readBoot(),
    space: readSpace(),
  };
}

/**
 * Judges whether the process that is meant still runs. A zombie is dead: it does nothing any more, although its open
 * files and ports may be closed a moment later than it is seen as one.
 *
 * @param identity as written by the process itself, at an earlier time
 */
export function livenessOf(identity: ProcessIdentity): Liveness {
  if (identity.host !== hostname()) return "unknown";
  if (identity.boot !== null && identity.boot !== readBoot()) return "dead";
  if (identity.space !== null && identity.space !== readSpace()) return "unknown";
  if (!answersSignals(identity.pid)) return "dead";
  if (identity.start === null) return "living";
  return processStartOf(identity.pid) === identity.start ? "living" : "dead";
}

/**
 * When a process began, in a form that is only good for comparing with an earlier answer.
 *
 * @param pid a process id
 * @returns undefined where there is no such process, where it is a zombie, or where the platform does not tell
 */
export function processStartOf(pid: number): string | undefined {
  if (process.platform === "linux") return readLinuxStart(pid);
  // Windows has no cheap way to ask. There the control channel's token says whether a broker is the recorded one.
  if (process.platform === "win32") return undefined;
  try {
    const output = execFileSync("ps", ["-o", "stat=,lstart=", "-p", String(pid)], {
      encoding: "utf8",
      env: { PATH: process.env.PATH ?? "/bin:/usr/bin", LC_ALL: "C" },
      stdio: ["ignore", "pipe", "ignore"],
    }).trim();
    return output === "" || output.startsWith("Z") ? undefined : output.replace(/^\S+\s+/, "");
  } catch {
    // ps ends with 1 where no such process is.
    return undefined;
  }
}

function readLinuxStart(pid: number): string | undefined {
  let stat: string;
  try {
    stat = readFileSync(`/proc/${pid}/stat`, "latin1");
  } catch {
    return undefined;
  }
  // proc(5): the second field is the command in parentheses and may hold spaces and parentheses itself,
  // so the fields are counted from the last one that closes. Field 3 is the state, field 22 the start.
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  const state = fields[0];
  if (state === "Z" || state === "X" || state === "x") return undefined;
  return fields[19];
}

function answersSignals(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    // EPERM: it lives and is somebody else's.
    return error instanceof Error && "code" in error && error.code === "EPERM";
  }
}

function readBoot(): string | null {
  if (process.platform !== "linux") return null;
  try {
    return readFileSync("/proc/sys/kernel/random/boot_id", "latin1").trim();
  } catch {
    return null;
  }
}

function readSpace(): string | null {
  if (process.platform !== "linux") return null;
  try {
    return readlinkSync("/proc/self/ns/pid");
  } catch {
    return null;
  }
}
