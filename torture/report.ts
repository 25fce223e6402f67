import type { Verdict } from "./checker.ts";

// A broken promise is rarely alone, and the first ones tell what happened.
const violationLimit = 25;

/** What a person reads of a run. */
export function describeVerdict(verdict: Verdict, title: string, historyPath: string): string {
  const { violations, messages, received, expired, refused, late, lives, instances, faults } = verdict;
  const numberOfFaults = Object.values(faults).reduce((sum, count) => sum + count, 0);
  const listed = Object.entries(faults)
    .sort(([one], [other]) => one.localeCompare(other))
    .map(([name, count]) => `${name} ${count}`);
  const lines = [
    `${title}: ${violations.length === 0 ? "every promise was kept" : `${violations.length} VIOLATIONS`}`,
    `  messages ${messages}, received ${received}, expired ${expired}, refused ${refused}, late ${late}`,
    `  lives ${lives}, instances ${instances}, faults ${numberOfFaults} (${listed.join(", ")})`,
    `  quiet-down: rosters right after ${secondsOf(verdict.rostersMs)}, everything after ${secondsOf(verdict.calmMs)}`,
    ...violations.slice(0, violationLimit).map(({ promise, text }) => `  ${promise}: ${text}`),
    ...(violations.length > violationLimit ? [`  and ${violations.length - violationLimit} more`] : []),
    `  history: ${historyPath}`,
  ];
  return lines.join("\n");
}

function secondsOf(ms: number | null): string {
  return ms === null ? "(never)" : `${(ms / 1000).toFixed(1)} s`;
}
