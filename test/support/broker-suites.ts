import { afterAll, beforeAll, describe, it } from "vitest";
import type { TestBroker } from "./broker-process.ts";
import { findMosquitto, findNats, startManagedBroker, startMosquitto, startNats } from "./brokers.ts";
import { stopEverything } from "./cleanup.ts";

/** What a suite gets to know about the broker that it runs on. */
export interface SuiteBroker {
  kind: "managed" | "mosquitto" | "nats";
  /** The suite's broker; started before the first test. */
  broker(): TestBroker;
  /** Starts another of the same kind, for a test that harms it; it keeps what it can over a restart. */
  startAnother(): Promise<TestBroker>;
}

const kinds = [
  {
    kind: "managed",
    title: "the managed broker",
    missing: undefined,
    start: () => startManagedBroker(),
    startAnother: () => startManagedBroker(),
  },
  {
    kind: "mosquitto",
    title: "Mosquitto",
    missing: findMosquitto() === undefined ? "Mosquitto is not installed" : undefined,
    // The one that all tests share is never ended: writing all it holds to the disk at each change only takes time.
    start: () => startMosquitto({ persistence: false }),
    startAnother: () => startMosquitto(),
  },
  {
    kind: "nats",
    title: "NATS",
    missing: findNats() === undefined ? "NATS is not installed" : undefined,
    start: () => startNats(),
    startAnother: () => startNats(),
  },
] as const;

/**
 * Runs one suite on every broker, each in a process of its own. A broker that is not installed is
 * skipped and says so, unless `PILINK_REQUIRE_BROKERS` is 1: then it is a failing test.
 *
 * @param name of the suite
 * @param suite defines the tests; after the last of them everything that was started is ended
 */
export function describeOnBrokers(name: string, suite: (given: SuiteBroker) => void): void {
  for (const { kind, title, missing, start, startAnother } of kinds) {
    if (missing !== undefined && process.env.PILINK_REQUIRE_BROKERS === "1") {
      it(`${name} on ${title}`, () => {
        throw new Error(`${missing}, and PILINK_REQUIRE_BROKERS is 1.`);
      });
      continue;
    }
    const heading = missing === undefined ? `${name} on ${title}` : `${name} on ${title} (skipped: ${missing})`;
    // The usual reporter only counts what was skipped; whoever reads the output shall know why.
    if (missing !== undefined) process.stderr.write(`${heading}\n`);
    describe.skipIf(missing !== undefined)(heading, () => {
      let running: TestBroker | undefined;
      beforeAll(async () => {
        running = await start();
      });
      afterAll(stopEverything);
      suite({
        kind,
        broker() {
          if (!running) throw new Error("The broker runs only inside of tests and hooks.");
          return running;
        },
        startAnother,
      });
    });
  }
}
