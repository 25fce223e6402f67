import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import { guardProcess, onCleanup } from "../test/support/cleanup.ts";
import { type Asked, type Look, reportSchema } from "./actor-wire.ts";

/** A process at one place, which can be one peer after another. */
export interface Actor {
  /** Asks it for something; what it answers is what it sees, where it was asked to look. @throws ActorError */
  ask(asked: Asked): Promise<Look | null>;
  /** SIGKILL; resolves when the process is gone. Idempotent. */
  kill(): Promise<void>;
  /** SIGSTOP. */
  freeze(): void;
  /** SIGCONT. */
  thaw(): void;
}

/** Why an actor could not do what it was asked: its peer's error, or the end of its process. */
export class ActorError extends Error {
  override readonly name = "ActorError";
  /** The code of the peer's error, or null. */
  readonly code: string | null;

  constructor(code: string | null, message: string) {
    super(message);
    this.code = code;
  }
}

/** Where an actor is, and who wants to hear of it. */
export interface ActorPlace {
  historyPath: string;
  network: string;
  name: string;
  /** The peer has left its network by itself. */
  onOut(): void;
  /** The process has ended; `expected` where {@link Actor.kill} did it. */
  onEnded(expected: boolean, detail: string): void;
}

/** Starts a process; `stopEverything()` kills it. */
export async function startActor(place: ActorPlace): Promise<Actor> {
  const main = fileURLToPath(new URL("actor-main.ts", import.meta.url));
  const child = fork(main, [place.historyPath, place.network, place.name], {
    execArgv: [],
    stdio: ["ignore", "ignore", "pipe", "ipc"],
  });
  let stderr = "";
  child.stderr?.on("data", (chunk: Buffer) => {
    stderr = (stderr + chunk.toString("utf8")).slice(-4_000);
  });
  await once(child, "spawn");
  return drive(child, place, () => stderr);
}

function drive(child: ChildProcess, place: ActorPlace, stderr: () => string): Actor {
  const release = guardProcess(child.pid ?? 0);
  const calls = new Map<number, { resolve: (value: Look | null) => void; reject: (error: Error) => void }>();
  let lastId = 0;
  let expected = false;
  const exited = new Promise<void>((resolve) => {
    child.once("exit", (code, signal) => {
      release();
      forget();
      for (const { reject } of calls.values()) reject(new ActorError(null, "The actor's process ended."));
      calls.clear();
      place.onEnded(expected, `${signal ?? code} ${stderr()}`.trim());
      resolve();
    });
  });
  child.on("message", (message) => {
    const report = reportSchema.parse(message);
    if ("event" in report) return place.onOut();
    const call = calls.get(report.re);
    calls.delete(report.re);
    if ("error" in report) call?.reject(new ActorError(report.error.code, report.error.message));
    else call?.resolve(report.value);
  });
  // A message to a process that is being killed cannot be delivered: its exit says so.
  child.on("error", () => undefined);
  const kill = async () => {
    expected = true;
    child.kill("SIGKILL");
    await exited;
  };
  const forget = onCleanup(kill);
  return {
    ask(asked) {
      lastId += 1;
      const id = lastId;
      const answered = new Promise<Look | null>((resolve, reject) => calls.set(id, { resolve, reject }));
      if (child.connected) child.send({ id, ...asked });
      else calls.get(id)?.reject(new ActorError(null, "The actor's process has ended."));
      return answered;
    },
    kill,
    freeze: () => void child.kill("SIGSTOP"),
    thaw: () => void child.kill("SIGCONT"),
  };
}
