import { fork } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import { z } from "zod";
import { guardProcess, onCleanup } from "../test/support/cleanup.ts";
import { withinDeadline } from "../test/support/eventually.ts";

/** A process of the bench, which does what it is asked: a file of `bench/children/` that calls `serve`. */
export interface Child {
  pid: number;
  /**
   * Asks it for something and waits for the answer.
   *
   * @param what a key of what the child serves
   * @param answer the form of what it answers
   * @throws Error what the child threw, or that it ended or stayed silent, with what it wrote
   */
  ask<Value>(what: string, answer: z.ZodType<Value>, argument?: unknown, timeoutMs?: number): Promise<Value>;
  /** Lets it go, so that it ends by itself and what it has yet to write is written; resolves when it is gone. */
  release(): Promise<void>;
  /** SIGKILL; resolves when it is gone. Idempotent. */
  kill(): Promise<void>;
}

/** The form of an answer that says nothing. */
export const nothing = z.null();

/** What is special about a child. */
export interface ChildOptions {
  /** Added to an environment that has no setting of pilink in it. */
  env?: Record<string, string>;
  /** Given to Node before the script, such as `--cpu-prof`. */
  execArgv?: string[];
}

const usualTimeoutMs = 60_000;
const reportSchema = z.union([
  z.object({ re: z.int(), error: z.string() }),
  z.object({ re: z.int(), value: z.unknown() }),
]);

/**
 * Starts a process of the bench; `stopEverything()` kills it.
 *
 * @param script its file
 */
export async function startChild(script: URL, { env = {}, execArgv = [] }: ChildOptions = {}): Promise<Child> {
  const child = fork(fileURLToPath(script), [], {
    execArgv,
    env: { ...plainEnvironment(), ...env },
    stdio: ["ignore", "ignore", "pipe", "ipc"],
  });
  let stderr = "";
  child.stderr?.on("data", (chunk: Buffer) => {
    stderr = (stderr + chunk.toString("utf8")).slice(-4_000);
  });
  await once(child, "spawn");
  const pid = child.pid ?? 0;
  const release = guardProcess(pid);
  const calls = new Map<number, PromiseWithResolvers<unknown>>();
  let lastId = 0;
  const exited = new Promise<void>((resolve) => {
    child.once("exit", (code, signal) => {
      release();
      forget();
      const ended = new Error(`The bench's process ${script.pathname} ended with ${signal ?? code}.\n${stderr}`);
      for (const { reject } of calls.values()) reject(ended);
      calls.clear();
      resolve();
    });
  });
  child.on("message", (message) => {
    const report = reportSchema.parse(message);
    const call = calls.get(report.re);
    calls.delete(report.re);
    if ("error" in report) call?.reject(new Error(report.error));
    else call?.resolve(report.value);
  });
  // A message to a process that is being killed cannot be delivered: its exit says so.
  child.on("error", () => undefined);
  const kill = async () => {
    child.kill("SIGKILL");
    await exited;
  };
  const forget = onCleanup(kill);
  return {
    pid,
    async ask(what, answer, argument = null, timeoutMs = usualTimeoutMs) {
      lastId += 1;
      const call = Promise.withResolvers<unknown>();
      calls.set(lastId, call);
      if (child.connected) child.send({ id: lastId, what, argument });
      else call.reject(new Error(`The bench's process ${script.pathname} has ended.\n${stderr}`));
      const describe = () => `The bench's process did not answer "${what}" within ${timeoutMs} ms.\n${stderr}`;
      return answer.parse(await withinDeadline(call.promise, timeoutMs, describe));
    },
    async release() {
      if (child.connected) child.disconnect();
      await exited;
    },
    kill,
  };
}

/** The environment of this process without anything that sets pilink up: what a person set must not change a figure. */
export function plainEnvironment(): NodeJS.ProcessEnv {
  return Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith("PILINK")));
}
