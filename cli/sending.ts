import type { InboxEntry, Outgoing, SendOutcome, SentEntry } from "../peer/peer.ts";
import type { MessageState } from "../protocol/receipt.ts";
import type { Desk } from "./desk.ts";
import { type ExitCode, exitCodes } from "./exit-codes.ts";

/** What a sender can wait for. */
export const awaitedStates = ["received", "seen", "reply"] as const;

/** A message to send, and what to wait for. */
export interface SendRequest extends Pick<Outgoing, "to" | "body" | "type" | "re" | "ttlMs"> {
  until: (typeof awaitedStates)[number];
  /** How long to wait for it, in milliseconds. */
  timeoutMs: number;
  /** True where a person sends: then the message begins a new chain (hazard 15). */
  isPersonal: boolean;
}

/** What became of it. */
export interface SendResult {
  outcomes: SendOutcome[];
  /** With `until: "reply"` the answers, in the order in which they came. */
  replies: InboxEntry[];
}

const ended = new Set<string>(["refused", "denied", "expired"]);

/**
 * Sends a message, and waits until each receiver has done what is waited for, or will not do it any more.
 *
 * @param holder who confirms the answers at the desk, or releases them
 * @param signal ends the waiting
 * @throws PilinkError what `Peer.send` throws, `not-approved` at the end of a chain
 */
export async function sendAndWait(
  desk: Desk,
  holder: string,
  request: SendRequest,
  signal: AbortSignal,
): Promise<SendResult> {
  const { until, timeoutMs, isPersonal, ...outgoing } = request;
  const { peer } = desk;
  const replies: InboxEntry[] = [];
  const waiting = new Map<string, SendOutcome>();
  const over = Promise.withResolvers<void>();
  const settle = (id: string) => {
    if (waiting.delete(id) && waiting.size === 0) over.resolve();
  };
  const onSent = ({ id, state, reason }: SentEntry) => {
    const outcome = waiting.get(id);
    if (outcome === undefined) return;
    outcome.state = state;
    if (reason !== undefined) outcome.reason = reason;
    if (ended.has(state) || (until === "seen" && isSeen(state))) settle(id);
  };
  const onOver = () => over.resolve();
  const startedMs = performance.now();
  let outcomes: SendOutcome[];
  peer.events.on("sent", onSent);
  peer.events.on("closed", onOver);
  try {
    outcomes = await peer.send({
      ...outgoing,
      ...(isPersonal ? {} : desk.chain.next()),
      waitMs: timeoutMs,
      signal,
      onTaken: (taken) => {
        if (until === "received") return;
        for (const outcome of taken) if (outcome.id !== undefined) waiting.set(outcome.id, { ...outcome });
        if (until !== "reply") return;
        desk.claimReplies(holder, [...waiting.keys()], (reply) => {
          replies.push(reply);
          if (reply.re !== null) settle(reply.re);
        });
      },
    });
    if (waiting.size > 0 && !desk.isOver) {
      await untilDone(over.promise, timeoutMs - (performance.now() - startedMs), signal);
    }
  } finally {
    peer.events.off("sent", onSent);
    peer.events.off("closed", onOver);
  }
  const states = new Map(peer.sent().map((entry) => [entry.id, entry]));
  const answered = new Set(replies.map(({ re }) => re));
  return {
    outcomes: outcomes.map((outcome) => {
      const entry = outcome.id === undefined ? undefined : states.get(outcome.id);
      if (entry === undefined) return outcome;
      // The receipt that says so may come after the answer itself.
      if (answered.has(entry.id)) return { ...outcome, state: "replied" };
      return { ...outcome, state: entry.state, ...(entry.reason === undefined ? {} : { reason: entry.reason }) };
    }),
    replies,
  };
}

/** The exit code that says what became of a message: the worst of its receivers counts. */
export function exitCodeFor({ outcomes, replies }: SendResult, until: SendRequest["until"]): ExitCode {
  if (outcomes.some(({ state }) => ended.has(state))) return exitCodes.refused;
  const answered = new Set(replies.map(({ re }) => re));
  const isDone = ({ id, state }: SendOutcome) => {
    if (until === "reply") return id !== undefined && answered.has(id);
    return until === "seen" ? isSeen(state) : state !== "queued" && state !== "sent";
  };
  return outcomes.every(isDone) ? exitCodes.done : exitCodes.notYet;
}

function isSeen(state: MessageState | "refused"): boolean {
  return state === "seen" || state === "replied";
}

function untilDone(done: Promise<void>, timeoutMs: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const finish = () => {
      clearTimeout(timer);
      signal.removeEventListener("abort", finish);
      resolve();
    };
    const timer = setTimeout(finish, Math.max(0, timeoutMs));
    signal.addEventListener("abort", finish);
    if (signal.aborted) finish();
    void done.then(finish);
  });
}
