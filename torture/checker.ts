import { countLate, findLies, findLosses, findRepetitions } from "./delivery-promises.ts";
import { gatherFacts, ofKind, type Violation } from "./facts.ts";
import type { HistoryRecord } from "./history.ts";
import { findDeaths, findGhosts, findStrays, findTwoVerdicts } from "./network-promises.ts";
import { findDisorder } from "./order-promise.ts";

/** What a history was, and what was wrong with it. */
export interface Verdict {
  violations: Violation[];
  /** Messages to one receiver each that were not refused. */
  messages: number;
  received: number;
  expired: number;
  refused: number;
  late: number;
  lives: number;
  instances: number;
  /** How long the quiet-down took until the rosters were right, and until everything was, in milliseconds. */
  rostersMs: number | null;
  calmMs: number | null;
  /** How often each kind of fault was made. */
  faults: Record<string, number>;
}

/** Holds a history against the promises. Pure: a history that was written down can be checked again. */
export function checkHistory(records: readonly HistoryRecord[]): Verdict {
  const facts = gatherFacts(records);
  const faults: Record<string, number> = {};
  for (const { action } of ofKind(records, "action")) {
    const name = typeof action.how === "string" ? `${action.do} ${action.how}` : `${action.do}`;
    faults[name] = (faults[name] ?? 0) + 1;
  }
  const states = [...facts.sent.values()].map(({ line }) => line.state);
  return {
    violations: [
      ...findLosses(facts),
      ...findRepetitions(facts),
      ...findDisorder(facts),
      ...findLies(facts),
      ...findGhosts(facts),
      ...findTwoVerdicts(facts),
      ...findStrays(facts),
      ...findDeaths(facts),
    ],
    messages: facts.sent.size,
    received: states.filter((state) => ["received", "injected", "seen", "replied"].includes(state)).length,
    expired: states.filter((state) => state === "expired").length,
    refused: facts.told.filter(({ state }) => state === "refused").length,
    late: countLate(facts.lives.values()),
    lives: facts.lives.size,
    instances: new Set([...facts.lives.values()].map(({ entered }) => entered.net)).size,
    rostersMs: ofKind(records, "calm").at(-1)?.rostersMs ?? null,
    calmMs: ofKind(records, "calm").at(-1)?.allMs ?? null,
    faults,
  };
}
