import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { setTimeout as pause } from "node:timers/promises";
import { guardProcess, onCleanup } from "./cleanup.ts";
import { eventually, withinDeadline } from "./eventually.ts";
import { type PiOptions, preparePi } from "./pi-home.ts";
import {
  asResponse,
  type DialogAnswer,
  dialogResponse,
  type PiDialog,
  type PiRecord,
  type PiResponse,
  splitLines,
} from "./pi-records.ts";
import { createTranscript, type PiTranscript } from "./pi-transcript.ts";

/** How a process ended. */
export interface PiExit {
  code: number | null;
  signal: NodeJS.Signals | null;
  /** From the request to end until the end. */
  tookMs: number;
}

/** A real Pi in RPC mode. */
export interface PiProcess extends PiTranscript {
  name: string;
  pid: number;
  cwd: string;
  sessionDir: string;
  stderr(): string;
  /** Sends a command and waits for its response; throws where Pi says that it failed. */
  command(command: PiRecord, timeoutMs?: number): Promise<PiResponse>;
  /** Types a line. For a slash command this resolves when its handler is done. */
  prompt(text: string, extra?: Record<string, unknown>): Promise<void>;
  /** Types a line and waits until the run that it starts has settled. */
  promptAndSettle(text: string, timeoutMs?: number): Promise<void>;
  /** Waits until no run and no compaction is active and nothing is queued. */
  settled(timeoutMs?: number): Promise<void>;
  /** Answers a dialog that the handler of `answerDialog` left open. */
  reply(dialog: PiDialog, answer: DialogAnswer): void;
  /** The session's messages, as `get_messages` gives them. */
  messages(): Promise<PiRecord[]>;
  state(): Promise<Record<string, unknown>>;
  newSession(): Promise<void>;
  /** Sends a signal that does not end the process, such as SIGSTOP and SIGCONT. */
  signal(signal: NodeJS.Signals): void;
  /** Sends a signal and waits for the end. */
  kill(signal?: NodeJS.Signals, timeoutMs?: number): Promise<PiExit>;
  /** Closes standard input, which is an orderly quit, and waits for the end. */
  stop(timeoutMs?: number): Promise<PiExit>;
  exited: Promise<PiExit>;
}

/**
 * Starts a real Pi in RPC mode and waits until it answers.
 *
 * @throws Error with what Pi wrote, where it ends or stays silent instead
 */
export async function startPi(options: PiOptions): Promise<PiProcess> {
  const line = await preparePi(options, ["--mode", "rpc"]);
  const child = spawn(line.command, line.args, { cwd: line.cwd, env: line.env, stdio: "pipe" });
  const pi = attach(child, options.name ?? "pi", line);
  await pi.command({ type: "get_state" }, 20_000);
  return pi;
}

function attach(child: ChildProcess, name: string, place: { cwd: string; sessionDir: string }): PiProcess {
  const { stdin, stdout, stderr, pid } = child;
  if (!stdin || !stdout || !stderr || pid === undefined) throw new Error(`Pi ${name} could not be started.`);
  const pending = new Map<string, (response: PiResponse) => void>();
  let errorText = "";
  let commandCount = 0;
  let endRequestedAtMs: number | undefined;

  const write = (record: PiRecord) => {
    stdin.write(`${JSON.stringify(record)}\n`);
  };
  // After the end of the process a write fails; whoever waits for an answer learns it from `exited`.
  stdin.on("error", () => undefined);

  stderr.on("data", (chunk: Buffer) => {
    errorText += chunk.toString("utf8");
  });

  const release = guardProcess(pid);
  const exited = waitForExit(child, () => endRequestedAtMs).finally(() => {
    release();
    forget();
  });
  const forget = onCleanup(async () => {
    if (child.exitCode === null && child.signalCode === null) child.kill("SIGKILL");
    await exited;
  });

  const reply = (dialog: PiDialog, answer: DialogAnswer) => write(dialogResponse(dialog, answer));
  const transcript = createTranscript({
    title: `Pi ${name} (pid ${pid})`,
    stderr: () => errorText,
    ended: exited.then(({ code, signal }) => `${signal ?? code}`),
    answer: reply,
  });
  const { records, waitFor, waitForEvent, describe } = transcript;
  stdout.on(
    "data",
    splitLines((text) => {
      const response = asResponse(transcript.add(text));
      if (response?.id === undefined) return;
      pending.get(response.id)?.(response);
      pending.delete(response.id);
      transcript.tell();
    }),
  );

  const command = async (record: PiRecord, timeoutMs = 10_000): Promise<PiResponse> => {
    commandCount += 1;
    const id = `c${commandCount}`;
    let answer: PiResponse | undefined;
    pending.set(id, (response) => {
      answer = response;
    });
    write({ ...record, id });
    const response = await waitFor(() => answer, `no response to ${JSON.stringify(record).slice(0, 200)}`, timeoutMs);
    if (!response.success) throw new Error(`Pi ${name} refused ${JSON.stringify(record)}: ${response.error}`);
    return response;
  };
  const state = async () => readFields((await command({ type: "get_state" })).data);
  const prompt = async (text: string, extra: Record<string, unknown> = {}) => {
    await command({ type: "prompt", message: text, ...extra }, 30_000);
  };
  const finish = (act: () => void, timeoutMs: number): Promise<PiExit> => {
    endRequestedAtMs ??= performance.now();
    act();
    return withinDeadline(exited, timeoutMs, describe("did not end", timeoutMs)).catch((failure: unknown) => {
      child.kill("SIGKILL");
      throw failure;
    });
  };

  return {
    name,
    pid,
    ...place,
    ...transcript,
    exited,
    stderr: () => errorText,
    command,
    reply,
    prompt,
    async promptAndSettle(text, timeoutMs = 20_000) {
      const since = records.length;
      await prompt(text);
      await waitForEvent(({ type }) => type === "agent_settled", { since, timeoutMs });
    },
    async settled(timeoutMs = 10_000) {
      await eventually(
        async () => {
          const { isStreaming, isCompacting, pendingMessageCount } = await state();
          if (isStreaming || isCompacting || pendingMessageCount !== 0)
            throw new Error(describe("is busy", timeoutMs)());
        },
        { timeoutMs },
      );
    },
    async messages() {
      const { messages } = readFields((await command({ type: "get_messages" })).data);
      if (!Array.isArray(messages)) throw new Error("get_messages gave no list.");
      return messages.map((message) => ({ type: "message", ...readFields(message) }));
    },
    state,
    async newSession() {
      await command({ type: "new_session" });
    },
    signal(signal) {
      child.kill(signal);
    },
    kill: (signal = "SIGKILL", timeoutMs = 10_000) => finish(() => child.kill(signal), timeoutMs),
    stop: (timeoutMs = 10_000) => finish(() => stdin.end(), timeoutMs),
  };
}

async function waitForExit(child: ChildProcess, requestedAtMs: () => number | undefined): Promise<PiExit> {
  const closed = once(child, "close");
  const [code, signal] = await once(child, "exit");
  const endedAtMs = performance.now();
  // The rest of its output; a grandchild that inherited the pipes must not hold up the test.
  await Promise.race([closed, pause(500, undefined, { ref: false })]);
  return { code, signal, tookMs: endedAtMs - (requestedAtMs() ?? endedAtMs) };
}

function readFields(value: unknown): Record<string, unknown> {
  return typeof value === "object" && value !== null ? { ...value } : {};
}
