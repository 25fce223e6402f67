import { z } from "zod";
import type { SendOutcome } from "../../peer/peer.ts";
import { isPilinkError, messageOf, PilinkError, quoteValue } from "../../protocol/errors.ts";
import { isJsonObject, type Json, parseJson } from "../../protocol/json.ts";
import { describeIssues } from "../../protocol/version.ts";
import type { Desk } from "../desk.ts";
import { messageTypes } from "../given.ts";
import { showOutcome } from "../message.ts";
import { inShellWords } from "../wording.ts";
import type { EventLines } from "./event-lines.ts";

/** One message to send, as a line of standard input says it. */
const lineSchema = z.strictObject({
  to: z.union([z.string(), z.array(z.string()).min(1)]),
  body: z.custom<Json>((value) => value !== undefined, "it is missing"),
  re: z.string().nullable().optional(),
  type: z.enum(messageTypes).optional(),
  /** In milliseconds. */
  ttl: z.int().positive().optional(),
  /** Comes back with the outcome, for the one who sends. */
  id: z.union([z.string(), z.number()]).optional(),
});

// More are not read until some of these are done.
const underWayLimit = 64;

/** The messages that come on standard input. A line that does not fit is answered, and hurts nothing. */
export class InputLines {
  readonly #desk: Desk;
  readonly #lines: EventLines;
  readonly #underWay = new Set<Promise<void>>();
  /** Called when no more lines should come for now. */
  onFull: () => void = () => undefined;
  /** Called when lines may come again. */
  onRoom: () => void = () => undefined;
  #count = 0;

  constructor(desk: Desk, lines: EventLines) {
    this.#desk = desk;
    this.#lines = lines;
  }

  /** Takes one line; an empty one says nothing. @param isCut true where it was too long to be kept whole */
  take(text: string, isCut: boolean): void {
    this.#count += 1;
    if (text.trim() === "") return;
    const work = this.#send(text, isCut, this.#count);
    this.#underWay.add(work);
    if (this.#underWay.size >= underWayLimit) this.onFull();
    void work.then(() => {
      this.#underWay.delete(work);
      this.onRoom();
    });
  }

  /** Waits until each line that was taken has its outcome. */
  async settle(): Promise<void> {
    while (this.#underWay.size > 0) await Promise.all(this.#underWay);
  }

  async #send(text: string, isCut: boolean, line: number): Promise<void> {
    let tag: string | number | undefined;
    let ids: string[] = [];
    try {
      if (isCut) throw new PilinkError("too-big", `The line is longer than ${text.length} characters.`);
      const value = readObject(text);
      // Also a line that does not fit is easier to find again by its own word for it.
      if (typeof value.id === "string" || typeof value.id === "number") tag = value.id;
      const read = lineSchema.safeParse(value);
      if (!read.success) throw new PilinkError("bad-argument", `The line does not fit: ${describeIssues(read.error)}.`);
      const { to, body, re, type, ttl } = read.data;
      const outcomes = await this.#desk.peer.send({
        to,
        body,
        ...this.#desk.chain.next(),
        ...(re === undefined ? {} : { re }),
        ...(type === undefined ? {} : { type }),
        ...(ttl === undefined ? {} : { ttlMs: ttl }),
        onTaken: (taken) => {
          ids = idsOf(taken);
          this.#lines.holdStates(ids);
        },
      });
      this.#lines.offer({ event: "outcome", line, ...tagged(tag), outcomes: outcomes.map(showOutcome) });
    } catch (error) {
      const code = isPilinkError(error) ? error.code : "failed";
      this.#lines.offer({ event: "error", line, ...tagged(tag), code, message: inShellWords(messageOf(error)) });
    } finally {
      this.#lines.releaseStates(ids);
    }
  }
}

function readObject(text: string): Record<string, Json> {
  const parsed = parseJson(text);
  if (parsed !== undefined && isJsonObject(parsed.value)) return parsed.value;
  const what = parsed === undefined ? "no JSON" : "no JSON object";
  throw new PilinkError(
    "bad-argument",
    `${quoteValue(text, 60)} is ${what}. A line is like {"to":"dev","body":"hello"}.`,
  );
}

function tagged(tag: string | number | undefined): { tag?: string | number } {
  return tag === undefined ? {} : { tag };
}

function idsOf(outcomes: readonly SendOutcome[]): string[] {
  return outcomes.flatMap(({ id }) => (id === undefined ? [] : [id]));
}
