import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { brokerNames, brokers } from "../../torture/brokers.ts";
import { checkHistory } from "../../torture/checker.ts";
import { readHistory } from "../../torture/history.ts";
import { describeVerdict } from "../../torture/report.ts";
import { runTorture } from "../../torture/run.ts";
import { stopEverything } from "../support/cleanup.ts";

// `npm run torture -- --seed 41 --minutes 1 --peers 3 --broker all` is the same schedule.
const seed = 41;
const forMs = 60_000;
const calmLimitMs = 90_000;

const isRequired = process.env.PILINK_REQUIRE_BROKERS === "1";

afterAll(stopEverything);

// Most of the time of a run is waiting: side by side they take hardly longer than one.
describe.concurrent("a minute of torture", () => {
  for (const broker of brokerNames) {
    const isMissing = !brokers[broker].installed();
    if (isMissing && !isRequired) process.stderr.write(`torture on ${broker}: skipped, it is not installed\n`);
    it.skipIf(isMissing && !isRequired)(
      `keeps every promise on ${broker}`,
      async () => {
        const folder = await mkdtemp(join(tmpdir(), `pilink-torture-${broker}-`));
        const { historyPath, skipped } = await runTorture({
          seed,
          forMs,
          networks: 2,
          peers: 3,
          keepaliveMs: 2_000,
          closingMs: 8_000,
          calmLimitMs,
          wakes: true,
          broker,
          folder,
        });
        for (const what of skipped) process.stderr.write(`torture on ${broker}: skipped ${what}\n`);
        const verdict = checkHistory(readHistory(historyPath));
        // The history stays where it is if a promise was broken: it is what there is to learn from.
        expect(verdict.violations, describeVerdict(verdict, `${broker}, seed ${seed}`, historyPath)).toEqual([]);
        // A run in which nothing got through proves nothing.
        expect(verdict.received).toBeGreaterThan(20);
        await rm(folder, { recursive: true, force: true });
      },
      forMs + 2 * calmLimitMs + 60_000,
    );
  }
});
