import type { SendOutcome } from "../peer/peer.ts";
import { messageStates } from "../protocol/receipt.ts";
import { findCarried } from "./connection.ts";
import { sentType } from "./drawing.ts";

/** The `customType` of the entry that keeps, for a session that is resumed, what messages have come to. */
export const statesType = "pilink-sent-states";

/** What became of one message to one receiver, as it is kept in a session. */
export interface KeptOutcome {
  to: string;
  /** None where it was refused before it had one. */
  id: string | undefined;
  state: SendOutcome["state"];
  reason: string | undefined;
}

/** What a message has come to. */
export type KnownState = Pick<KeptOutcome, "state" | "reason">;

/** What a message of this or a former session has come to, by its id. */
export type KnownStates = Map<string, KnownState>;

const states: ReadonlySet<string> = new Set<SendOutcome["state"]>([...messageStates, "refused"]);

/**
 * What a message has come to by now.
 *
 * @param outcome what was known of it when it was written down
 * @param recalled what a former process has kept in the session
 */
export function presentState(outcome: KeptOutcome, recalled?: KnownStates): KeptOutcome {
  const { id } = outcome;
  if (id === undefined) return outcome;
  return { ...outcome, ...(findCarried()?.sentStates.get(id) ?? recalled?.get(id)) };
}

/** Reads the outcomes that a session holds. Whatever is none is left out. */
export function readOutcomes(value: unknown): KeptOutcome[] {
  if (!Array.isArray(value)) return [];
  return value.flatMap((each: unknown) => {
    const fields = fieldsOf(each);
    const [to, id, known] = [fields.get("to"), fields.get("id"), readState(each)];
    if (typeof to !== "string" || known === undefined) return [];
    return [{ to, id: typeof id === "string" ? id : undefined, ...known }];
  });
}

/** An entry of a session, as far as it matters here. */
export interface SessionEntryLike {
  type: string;
  customType?: string;
  data?: unknown;
}

/** What the messages of a session had come to when that was last kept in it. */
export function recallStates(entries: readonly SessionEntryLike[]): KnownStates {
  const known: KnownStates = new Map();
  for (const { type, customType, data } of entries) {
    if (type !== "custom") continue;
    const fields = fieldsOf(data);
    if (customType === sentType) {
      for (const { id, state, reason } of readOutcomes(fields.get("outcomes"))) {
        if (id !== undefined && !known.has(id)) known.set(id, { state, reason });
      }
    } else if (customType === statesType) {
      for (const [id, value] of fieldsOf(fields.get("states"))) {
        const state = readState(value);
        if (state !== undefined) known.set(id, state);
      }
    }
  }
  return known;
}

/**
 * What has to be kept in a session so that it can be recalled.
 *
 * @param entries the session
 * @param current what the messages of this process have come to
 * @returns undefined where the session knows it all
 */
export function statesToKeep(
  entries: readonly SessionEntryLike[],
  current: KnownStates,
): { states: Record<string, KnownState> } | undefined {
  const changed = [...recallStates(entries)].flatMap(([id, { state }]) => {
    const now = current.get(id);
    return now === undefined || now.state === state ? [] : [[id, now] as const];
  });
  return changed.length === 0 ? undefined : { states: Object.fromEntries(changed) };
}

/** The fields of what should be an object; none where it is not. */
export function fieldsOf(value: unknown): Map<string, unknown> {
  return new Map(typeof value === "object" && value !== null ? Object.entries(value) : []);
}

function readState(value: unknown): KnownState | undefined {
  const fields = fieldsOf(value);
  const [state, reason] = [fields.get("state"), fields.get("reason")];
  if (!isState(state)) return undefined;
  return { state, reason: typeof reason === "string" ? reason : undefined };
}

function isState(value: unknown): value is SendOutcome["state"] {
  return typeof value === "string" && states.has(value);
}
