import type { Envelope, InboxPayload } from "../protocol/envelope.ts";
import type { MessageState } from "../protocol/receipt.ts";
import { RollingFile } from "../store/rolling-file.ts";
import type { InboxEntry } from "./peer.ts";

/** The name of the file that is written; those before it are `audit.1.jsonl`, `audit.2.jsonl`, … */
export const auditFile = "audit.jsonl";

// 40 MiB for each peer: some ten thousand messages of a page each.
const limits = { fileBytes: 8 * 1024 * 1024, keptFiles: 4 } as const;
// A line is for reading afterwards: one write for many of them costs the delivery almost nothing.
const pauseMs = 50;
const waitingLines = 512;

/** One line of `audit.jsonl`. `at` is in milliseconds since 1970, by the clock of this machine. */
export type AuditLine = { at: number } & (
  | { op: "out"; id: string; peer: string; envelope: Envelope }
  | { op: "in"; id: string; peer: string | null; verified: boolean; envelope: object }
  | {
      op: "state";
      id: string;
      peer: string | null;
      of: "out" | "in";
      state: MessageState | InboxEntry["state"];
      reason?: string;
    }
  // The disk did not take so many lines that belong here.
  | { op: "gap"; lines: number }
);
type Entry = AuditLine extends infer Line ? (Line extends AuditLine ? Omit<Line, "at"> : never) : never;

/** What an audit needs of its surroundings. */
export interface AuditPort {
  /** Where it is written; the folder exists, and belongs to this process. */
  path: string;
  nowMs(): number;
  /** Called once for each time that the disk begins to refuse it. */
  onFault(error: unknown): void;
}

/**
 * The record of every envelope that was sent and received, and of the states that each went through, for a person to
 * read (README, "What was said"). Nothing depends on it: what the disk refuses is counted, and delivery goes on. The
 * lines of the last moment before a SIGKILL may be missing; the inbox and the outbox hold those messages.
 */
export class Audit {
  readonly #port: AuditPort;
  readonly #file: RollingFile;
  readonly #onExit = () => this.flush();
  #waiting: AuditLine[] = [];
  #lost = 0;
  #timer: NodeJS.Timeout | undefined;

  constructor(port: AuditPort) {
    this.#port = port;
    this.#file = new RollingFile(port.path, limits);
  }

  /** Notes a message that was taken into the outbox. */
  noteOut(envelope: Envelope): void {
    this.#add({ op: "out", id: envelope.id, peer: envelope.to, envelope });
  }

  /** Notes a message that arrived. @param verified whether its sender is a living peer of the roster */
  noteIn(id: string, verified: boolean, payload: InboxPayload): void {
    const envelope = payload.kind === "envelope" ? payload.envelope : payload.message;
    this.#add({ op: "in", id, peer: envelope.from ?? null, verified, envelope });
  }

  /** Notes that a message has reached a state. @param of whether it was sent or received here */
  noteState(
    of: "out" | "in",
    id: string,
    peer: string | undefined,
    state: MessageState | InboxEntry["state"],
    reason?: string,
  ): void {
    this.#add({ op: "state", id, peer: peer ?? null, of, state, ...(reason === undefined ? {} : { reason }) });
  }

  /** Writes what waits. Never throws. */
  flush(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    process.removeListener("exit", this.#onExit);
    const lines = this.#waiting;
    if (lines.length === 0) return;
    this.#waiting = [];
    const gap: AuditLine[] = this.#lost === 0 ? [] : [{ at: this.#port.nowMs(), op: "gap", lines: this.#lost }];
    try {
      this.#file.append([...gap, ...lines].map((line) => `${JSON.stringify(line)}\n`).join(""));
      this.#lost = 0;
    } catch (error) {
      if (this.#lost === 0) this.#port.onFault(error);
      this.#lost += lines.length;
    }
  }

  /** Idempotent. */
  close(): void {
    this.flush();
    this.#file.close();
  }

  #add(entry: Entry): void {
    this.#waiting.push({ at: this.#port.nowMs(), ...entry });
    if (this.#waiting.length >= waitingLines) {
      this.flush();
    } else if (this.#timer === undefined) {
      this.#timer = setTimeout(() => this.flush(), pauseMs);
      this.#timer.unref();
      process.once("exit", this.#onExit);
    }
  }
}
