import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { readdir, rm } from "node:fs/promises";
import { join } from "node:path";
import { guardProcess, onCleanup } from "./cleanup.ts";
import { withinDeadline } from "./eventually.ts";

/** A broker in a process of its own, on a port of 127.0.0.1 that it keeps over restarts. */
export interface TestBroker {
  /** What it is called in titles and messages. */
  name: string;
  url: string;
  port: number;
  /** The shortest keepalive at which it keeps a connection that is silent otherwise. */
  shortestKeepaliveMs: number;
  /** The process of this moment, undefined while it is stopped. */
  pid(): number | undefined;
  /** Everything it logged. */
  log(): string;
  /** Ends it in good order with SIGTERM. Idempotent. */
  stop(): Promise<void>;
  /** Ends it with SIGKILL. */
  kill(): Promise<void>;
  /** Starts it again on the same port, after ending it in good order where it still runs. */
  restart(): Promise<void>;
  /** Takes everything that it keeps on disk; call it while it is stopped. */
  loseDisk(): Promise<void>;
  /** Freezes it with SIGSTOP. */
  pause(): void;
  /** Ends {@link pause}. */
  resume(): void;
}

/** How one kind of broker is run as a process. */
export interface BrokerRecipe {
  name: string;
  port: number;
  command: string;
  args: string[];
  env?: Record<string, string>;
  /** The folder of what it keeps over a restart; none where it keeps everything in memory. */
  data?: string;
  /** What it writes when it takes connections. */
  ready: RegExp;
  /** 1,000 unless given: MQTT knows whole seconds. */
  shortestKeepaliveMs?: number;
}

const readyTimeoutMs = 10_000;
const stopTimeoutMs = 10_000;

/**
 * Starts a broker and waits until it says that it is ready.
 *
 * @throws Error with its log, where it ends or stays silent instead
 */
export async function runBroker(recipe: BrokerRecipe): Promise<TestBroker> {
  let child: ChildProcess | undefined;
  let log = "";

  const start = async () => {
    const logStart = log.length;
    const started = spawn(recipe.command, recipe.args, {
      stdio: ["ignore", "pipe", "pipe"],
      env: { ...process.env, ...recipe.env },
    });
    const release = started.pid === undefined ? () => undefined : guardProcess(started.pid);
    child = started;
    const ready = Promise.withResolvers<void>();
    const read = (chunk: Buffer) => {
      log += chunk.toString("utf8");
      if (recipe.ready.test(log.slice(logStart))) ready.resolve();
    };
    started.stdout?.on("data", read);
    started.stderr?.on("data", read);
    started.once("error", ready.reject);
    started.once("exit", (code, signal) => {
      release();
      if (child === started) child = undefined;
      ready.reject(new Error(`${recipe.name} ended with ${signal ?? code} before it was ready.\n${log}`));
    });
    await withinDeadline(
      ready.promise,
      readyTimeoutMs,
      () => `${recipe.name} was not ready within ${readyTimeoutMs} ms.\n${log}`,
    );
  };

  const end = async (signal: NodeJS.Signals) => {
    const running = child;
    if (!running) return;
    const exited = once(running, "exit");
    // A frozen process does not see SIGTERM.
    running.kill("SIGCONT");
    running.kill(signal);
    await withinDeadline(exited, stopTimeoutMs, () => `${recipe.name} did not obey ${signal}.\n${log}`).catch(
      (failure: unknown) => {
        running.kill("SIGKILL");
        throw failure;
      },
    );
  };

  await start();
  onCleanup(() => end("SIGKILL"));
  return {
    name: recipe.name,
    url: `mqtt://127.0.0.1:${recipe.port}`,
    port: recipe.port,
    shortestKeepaliveMs: recipe.shortestKeepaliveMs ?? 1_000,
    pid: () => child?.pid,
    log: () => log,
    stop: () => end("SIGTERM"),
    kill: () => end("SIGKILL"),
    async restart() {
      await end("SIGTERM");
      await start();
    },
    async loseDisk() {
      const { data } = recipe;
      if (data === undefined) return;
      for (const name of await readdir(data)) await rm(join(data, name), { recursive: true, force: true });
    },
    pause: () => child?.kill("SIGSTOP"),
    resume: () => child?.kill("SIGCONT"),
  };
}
