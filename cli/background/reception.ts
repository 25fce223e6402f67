import type { InboxEntry } from "../../peer/peer.ts";
import { PilinkError } from "../../protocol/errors.ts";
import { newId } from "../../protocol/ids.ts";
import { cutOff, type Desk } from "../desk.ts";
import type { LineSocket } from "../line-socket.ts";
import { showAgent, showMessage, showOutcome } from "../message.ts";
import { exitCodeFor, sendAndWait } from "../sending.ts";
import { type Request, writtenSchema } from "./control.ts";

type Asked<Command> = Extract<Request, { command: Command }>;

/** The most that one answer holds; what does not fit comes with the next. */
const handoutBytes = 4 * 1024 * 1024;
const settleMs = 500;

/** Does what commands ask of a background peer. */
export class Reception {
  readonly #desk: Desk;
  readonly #end: (reason: string) => void;
  readonly #underWay = new Set<Promise<void>>();

  constructor(desk: Desk, end: (reason: string) => void) {
    this.#desk = desk;
    this.#end = end;
  }

  /** Answers one request. @throws PilinkError what is to be answered instead */
  obey(request: Request, line: LineSocket): Promise<void> {
    const work = this.#obey(request, line);
    const quiet = work.catch(() => undefined);
    this.#underWay.add(quiet);
    void quiet.then(() => this.#underWay.delete(quiet));
    return work;
  }

  /** Waits a moment for those who were given something and have not said yet that they have it. */
  async settle(): Promise<void> {
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<void>((resolve) => {
      timer = setTimeout(resolve, settleMs);
    });
    await Promise.race([Promise.all(this.#underWay), late]);
    clearTimeout(timer);
  }

  async #obey(request: Request, line: LineSocket): Promise<void> {
    const { peer } = this.#desk;
    switch (request.command) {
      case "status": {
        const { state, connected, host, waiting } = peer.status();
        return line.send({
          state,
          connected,
          host,
          waiting,
          unread: this.#desk.unread().length,
          dependents: peer.dependents(),
        });
      }
      case "agents": {
        const entries = peer.state === "active" ? await peer.confirmRoster() : peer.roster();
        return line.send({ agents: entries.map(showAgent) });
      }
      case "leave":
        await line.send({ left: true, unread: this.#desk.unread().length });
        return this.#end("it was told to leave");
      case "send":
        return this.#send(request, line);
      case "recv":
        return this.#receive(request, line);
    }
  }

  async #send(request: Asked<"send">, line: LineSocket): Promise<void> {
    const holder = `command-${newId()}`;
    const { to, body, type, re, ttlMs, until, timeoutMs, isPersonal } = request;
    try {
      const result = await sendAndWait(
        this.#desk,
        holder,
        { to, body, type, re, until, timeoutMs, isPersonal, ...(ttlMs === undefined ? {} : { ttlMs }) },
        line.over,
      );
      const { outcomes, replies } = result;
      await line.send({
        outcomes: outcomes.map(showOutcome),
        replies: replies.map(showMessage),
        exitCode: exitCodeFor(result, until),
      });
      if (replies.length > 0) await this.#untilWritten(holder, line);
    } finally {
      this.#desk.release(holder);
    }
  }

  async #receive({ waitMs, limit, isAll, isPeek }: Asked<"recv">, line: LineSocket): Promise<void> {
    const desk = this.#desk;
    if (waitMs > 0 && !isAll) await desk.untilUnread(AbortSignal.any([line.over, AbortSignal.timeout(waitMs)]));
    if (desk.isOver) throw new PilinkError("network-closed", `The network "${desk.peer.network}" has ended.`);
    // Who waited may be gone by now; nothing is to be handed out to nobody.
    if (line.over.aborted) return;
    const holder = `command-${newId()}`;
    const limits = { messages: limit, bytes: handoutBytes };
    try {
      const handed = isPeek ? cutOff(desk.unread(), limits) : desk.handOut(holder, limits);
      // What is looked at counts as taken in, too, for what is sent because of it.
      if (isPeek) for (const entry of handed) desk.chain.note(entry);
      const earlier = isAll ? this.#earlier(handed, limit - handed.length) : [];
      await line.send({
        messages: [...earlier, ...handed].map(showMessage),
        more: desk.unread().length - (isPeek ? handed.length : 0),
      });
      if (!isPeek) await this.#untilWritten(holder, line);
    } finally {
      desk.release(holder);
    }
  }

  /** The last of those that were taken before. */
  #earlier(handed: readonly InboxEntry[], limit: number): InboxEntry[] {
    const now = new Set(handed);
    const taken = this.#desk.peer
      .inbox()
      .filter((entry) => !now.has(entry) && (entry.state === "seen" || entry.state === "replied"));
    return limit <= 0 ? [] : taken.slice(-limit);
  }

  async #untilWritten(holder: string, line: LineSocket): Promise<void> {
    if (writtenSchema.safeParse(await line.next()).success) this.#desk.confirm(holder);
  }
}
