import { gapLimitMs } from "../peer/reception.ts";
import { type Facts, ofKind, type ShownAt, type Violation } from "./facts.ts";
import type { Shown } from "./history.ts";

// A timer may be some milliseconds early, and the sender notes its sending a moment before it sends.
const slackMs = 200;

/** The messages of one box come in the order of `seq`; what is marked as late is excepted. */
export function findDisorder(facts: Facts): Violation[] {
  return [...facts.lives].flatMap(([life, { shown, testimony, entered }]) => {
    const who = `${entered.network}/${entered.name} (${life})`;
    return [
      ...disorderIn(shown, `${who} was shown`),
      ...disorderIn(testimony?.inbox ?? [], `the inbox of ${who} holds`),
      ...needlessLateness(facts, shown, who),
    ];
  });
}

function disorderIn(shown: Shown[], who: string): Violation[] {
  const last = new Map<string, number>();
  const found: Violation[] = [];
  for (const { id, fromBox, seq, late } of shown) {
    if (fromBox === null || seq === null || late) continue;
    const former = last.get(fromBox) ?? 0;
    if (seq <= former)
      found.push({ promise: "order", text: `${who} ${id} with seq ${seq} after ${former} of ${fromBox}` });
    last.set(fromBox, seq);
  }
  return found;
}

/** Nothing comes late for whom the receiver has not waited: unless it was given up by its sender before. */
function needlessLateness(facts: Facts, shown: ShownAt[], who: string): Violation[] {
  const lateOnes = shown.filter(({ late }) => late);
  if (lateOnes.length === 0) return [];
  const sentMs = new Map(ofKind(facts.records, "sending").map(({ token, t }) => [token, t]));
  return lateOnes.flatMap(({ id, fromBox, seq, net }) => {
    const isLater = (other: Shown) => other.fromBox === fromBox && other.net === net && (other.seq ?? 0) > (seq ?? 0);
    const passedMs = shown.find((other) => isLater(other) && !other.late)?.t;
    const expiredMs = facts.states.get(id)?.find(({ state }) => state === "expired")?.t ?? Number.POSITIVE_INFINITY;
    if (passedMs === undefined || expiredMs <= passedMs + slackMs) return [];
    const waitedMs = passedMs - Math.min(...shown.filter(isLater).map(({ token }) => sentMs.get(token ?? "") ?? 0));
    if (waitedMs >= gapLimitMs - slackMs) return [];
    const text = `${who} ${id} with seq ${seq} as late, although nothing later was sent more than ${waitedMs} ms before`;
    return [{ promise: "order", text }];
  });
}
