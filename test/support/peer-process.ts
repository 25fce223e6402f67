import { fork } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import { z } from "zod";
import type {
  EnterOptions,
  InboxEntry,
  Outgoing,
  PeerEvents,
  PeerStatus,
  RosterEntry,
  SendOutcome,
  SentEntry,
} from "../../peer/peer.ts";
import { type ErrorCode, errorCodes, PilinkError } from "../../protocol/errors.ts";
import { guardProcess, onCleanup } from "./cleanup.ts";
import { withinDeadline } from "./eventually.ts";

/** How a peer of another process enters: what can be said in JSON. */
export type ProcessEnterOptions = Omit<EnterOptions, "reach" | "onWaiting" | "signal">;
/** What a peer of another process sends. */
export type ProcessOutgoing = Omit<Outgoing, "signal">;
/** An event of a peer of another process; an error among its arguments is `{ code, message }`. */
export interface PeerProcessEvent {
  name: string;
  args: unknown[];
}

/** One peer in a process of its own, which can be killed and frozen. */
export interface PeerProcess {
  pid: number;
  /** Every event since it entered, oldest first; `roster` excepted. */
  events: PeerProcessEvent[];
  /** @throws PilinkError what `createNetwork` throws */
  create(options: ProcessEnterOptions): Promise<PeerStatus>;
  /** @throws PilinkError what `joinNetwork` throws */
  join(options: ProcessEnterOptions): Promise<PeerStatus>;
  send(outgoing: ProcessOutgoing): Promise<SendOutcome[]>;
  roster(): Promise<RosterEntry[]>;
  confirmRoster(): Promise<RosterEntry[]>;
  inbox(): Promise<InboxEntry[]>;
  sent(): Promise<SentEntry[]>;
  status(): Promise<PeerStatus>;
  markInjected(ids: string[], session: string): Promise<void>;
  leave(): Promise<void>;
  /** Waits for an event, also one that has been. @throws Error with what happened instead when the time is up */
  until(
    name: keyof PeerEvents,
    matches?: (...args: unknown[]) => boolean,
    timeoutMs?: number,
  ): Promise<PeerProcessEvent>;
  /** SIGKILL; resolves when the process is gone. Idempotent. */
  kill(): Promise<void>;
  /** SIGSTOP. */
  freeze(): void;
  /** SIGCONT. */
  thaw(): void;
}

const callTimeoutMs = 20_000;
const anything = z.custom<unknown>(() => true);
const reportSchema = z.union([
  z.object({ re: z.int(), error: z.object({ code: z.string().nullable(), message: z.string() }) }),
  z.object({ re: z.int(), value: anything }),
  z.object({ event: z.string(), args: z.array(anything) }),
]);

const isObject = (value: unknown) => typeof value === "object" && value !== null;
const results = {
  status: z.custom<PeerStatus>(isObject),
  outcomes: z.custom<SendOutcome[]>(Array.isArray),
  roster: z.custom<RosterEntry[]>(Array.isArray),
  inbox: z.custom<InboxEntry[]>(Array.isArray),
  sent: z.custom<SentEntry[]>(Array.isArray),
  nothing: z.null().transform(() => undefined),
};

/** What is special about a peer's process. */
export interface PeerProcessOptions {
  /** How far its clock is ahead of the machine's, in ms; negative where it is behind. */
  clockAheadMs?: number;
  /** The user that it runs as, where this process may choose. */
  uid?: number;
}

/**
 * Starts a process that can be one peer; `stopEverything()` kills it.
 *
 * @param options what is special about it
 */
export async function startPeer({ clockAheadMs = 0, uid }: PeerProcessOptions = {}): Promise<PeerProcess> {
  const clock = `const now = Date.now; Date.now = () => now() + ${clockAheadMs};`;
  const child = fork(fileURLToPath(new URL("peer-main.ts", import.meta.url)), [], {
    execArgv: clockAheadMs === 0 ? [] : ["--import", `data:text/javascript,${encodeURIComponent(clock)}`],
    ...(uid === undefined ? {} : { uid }),
    stdio: ["ignore", "ignore", "pipe", "ipc"],
  });
  let stderr = "";
  child.stderr?.on("data", (chunk: Buffer) => {
    stderr += chunk.toString("utf8");
  });
  await once(child, "spawn");
  const pid = child.pid ?? 0;
  const release = guardProcess(pid);
  const exited = new Promise<void>((resolve) => {
    child.once("exit", () => {
      release();
      forget();
      for (const { reject } of calls.values()) reject(new Error(`The peer's process ended.\n${stderr}`));
      calls.clear();
      resolve();
    });
  });

  const events: PeerProcessEvent[] = [];
  const calls = new Map<number, { resolve: (value: unknown) => void; reject: (error: Error) => void }>();
  const listeners = new Set<() => void>();
  let lastId = 0;

  child.on("message", (message) => {
    const report = reportSchema.parse(message);
    if ("event" in report) {
      events.push({ name: report.event, args: report.args });
      for (const listener of [...listeners]) listener();
      return;
    }
    const call = calls.get(report.re);
    calls.delete(report.re);
    if ("error" in report) call?.reject(errorOf(report.error.code, report.error.message));
    else call?.resolve(report.value);
  });

  async function call<Value>(name: string, schema: z.ZodType<Value>, args: object = {}): Promise<Value> {
    lastId += 1;
    const id = lastId;
    const answered = new Promise<unknown>((resolve, reject) => calls.set(id, { resolve, reject }));
    child.send({ id, call: name, ...args });
    const describe = () => `The peer's process did not answer "${name}" within ${callTimeoutMs} ms.\n${stderr}`;
    return schema.parse(await withinDeadline(answered, callTimeoutMs, describe));
  }

  const kill = async () => {
    child.kill("SIGKILL");
    await exited;
  };
  const forget = onCleanup(kill);

  return {
    pid,
    events,
    create: (options) => call("create", results.status, { options }),
    join: (options) => call("join", results.status, { options }),
    send: (outgoing) => call("send", results.outcomes, { outgoing }),
    roster: () => call("roster", results.roster),
    confirmRoster: () => call("confirmRoster", results.roster),
    inbox: () => call("inbox", results.inbox),
    sent: () => call("sent", results.sent),
    status: () => call("status", results.status),
    markInjected: (ids, session) => call("markInjected", results.nothing, { ids, session }),
    leave: () => call("leave", results.nothing),
    async until(name, matches = () => true, timeoutMs = 10_000) {
      const find = () => events.find((event) => event.name === name && matches(...event.args));
      const { promise, resolve } = Promise.withResolvers<PeerProcessEvent>();
      const look = () => {
        const found = find();
        if (found !== undefined) resolve(found);
      };
      listeners.add(look);
      look();
      try {
        return await withinDeadline(promise, timeoutMs, () => {
          const seen = events.map((event) => `  ${event.name} ${JSON.stringify(event.args).slice(0, 200)}`);
          return `No event "${name}" within ${timeoutMs} ms; there were:\n${seen.join("\n")}\n${stderr}`;
        });
      } finally {
        listeners.delete(look);
      }
    },
    kill,
    freeze: () => void child.kill("SIGSTOP"),
    thaw: () => void child.kill("SIGCONT"),
  };
}

function errorOf(code: string | null, message: string): Error {
  return isErrorCode(code) ? new PilinkError(code, message) : new Error(message);
}

function isErrorCode(code: string | null): code is ErrorCode {
  return code !== null && Object.hasOwn(errorCodes, code);
}
