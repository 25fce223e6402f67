import { readFileSync } from "node:fs";
import { afterAll, beforeAll, expect, it } from "vitest";
import type { TestBroker } from "../support/broker-process.ts";
import { describeOnBrokers } from "../support/broker-suites.ts";
import type { Fact } from "./facts/fact.ts";
import { messageFacts } from "./facts/messages.ts";
import { restartFacts } from "./facts/restarts.ts";
import { readFactsTable, renderTable } from "./facts/table.ts";
import { willFacts } from "./facts/wills.ts";

const facts: Fact[] = [...willFacts, ...messageFacts, ...restartFacts];
const titles = facts.map(({ title }) => title);
const found = new Map<string, Map<string, string>>();

/** The broker's column: its name and the version that was measured. */
function columnOf(kind: "managed" | "mosquitto" | "nats", { log }: TestBroker): string {
  if (kind === "mosquitto") return `Mosquitto ${/mosquitto version ([\d.]+) running/.exec(log())?.[1]}`;
  if (kind === "nats") return `NATS ${/Version: +([\d.]+)/.exec(log())?.[1]}`;
  const manifest = readFileSync(new URL("../../node_modules/aedes/package.json", import.meta.url), "utf8");
  return `managed (Aedes ${/"version": "([\d.]+)"/.exec(manifest)?.[1]})`;
}

afterAll(() => {
  if (process.env.PILINK_PRINT_BROKERS === "1") process.stdout.write(`\n${renderTable(titles, found)}\n`);
});

it("the README tells what each broker gives: its rows are what is measured", () => {
  expect(readFactsTable().rows.map((row) => row[""])).toEqual(titles);
});

describeOnBrokers("what the README tells", ({ kind, broker, startAnother }) => {
  const cells = new Map<string, string>();
  let column = "";
  let isOtherVersion = false;
  beforeAll(() => {
    column = columnOf(kind, broker());
    found.set(column, cells);
    // Another version may differ. Where the brokers are those of the table, it has to be mended.
    isOtherVersion = !readFactsTable().columns.includes(column) && process.env.PILINK_REQUIRE_BROKERS !== "1";
  });

  for (const { title, measure } of facts) {
    it.concurrent(title, { timeout: 60_000 }, async (context) => {
      const cell = await measure({ kind, shared: broker(), startAnother });
      cells.set(title, cell);
      if (isOtherVersion) context.skip(`the README does not tell of ${column}; here it is: ${cell}`);
      context.expect(readFactsTable().rows.find((row) => row[""] === title)?.[column]).toBe(cell);
    });
  }
});
