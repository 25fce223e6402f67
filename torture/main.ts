// npm run torture -- --seed N --minutes M --broker managed|mosquitto|nats|all [--networks N] [--peers N] [--folder PATH] [--check FILE]
import { mkdir, mkdtemp } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { z } from "zod";
import { stopEverything } from "../test/support/cleanup.ts";
import { type BrokerName, brokerNames, brokers } from "./brokers.ts";
import { checkHistory } from "./checker.ts";
import { readHistory } from "./history.ts";
import { describeVerdict } from "./report.ts";
import { runTorture } from "./run.ts";

const argumentsSchema = z.object({
  seed: z.coerce
    .number()
    .int()
    .default(() => Date.now() % 1_000_000),
  minutes: z.coerce.number().positive().default(1),
  broker: z.enum(["all", ...brokerNames]).default("managed"),
  networks: z.coerce.number().int().min(1).max(8).default(2),
  peers: z.coerce.number().int().min(2).max(8).default(4),
  keepalive: z.coerce.number().int().min(1_000).default(2_000),
  closing: z.coerce.number().int().min(1_000).default(8_000),
  folder: z.string().optional(),
  check: z.string().optional(),
});

async function main(): Promise<boolean> {
  const text = { type: "string" } as const;
  const { values } = parseArgs({
    options: {
      seed: text,
      minutes: text,
      broker: text,
      networks: text,
      peers: text,
      keepalive: text,
      closing: text,
      folder: text,
      check: text,
    },
  });
  const wanted = argumentsSchema.parse(values);
  if (wanted.check !== undefined) return report(wanted.check, "a history that was written down");
  const root = wanted.folder ?? (await mkdtemp(join(tmpdir(), "pilink-torture-")));
  const names: readonly BrokerName[] = wanted.broker === "all" ? brokerNames : [wanted.broker];
  let isGood = true;
  for (const broker of names) {
    if (!brokers[broker].installed()) {
      process.stdout.write(`${broker}: not installed, skipped\n`);
      continue;
    }
    const { historyPath, skipped } = await runTorture({
      seed: wanted.seed,
      forMs: Math.round(wanted.minutes * 60_000),
      networks: wanted.networks,
      peers: wanted.peers,
      keepaliveMs: wanted.keepalive,
      closingMs: wanted.closing,
      broker,
      folder: await freshFolder(join(root, `${broker}-${wanted.seed}`)),
      calmLimitMs: 150_000,
      wakes: false,
    });
    for (const what of skipped) process.stdout.write(`skipped ${what}\n`);
    isGood = report(historyPath, `${broker}, seed ${wanted.seed}, ${wanted.minutes} min`) && isGood;
  }
  return isGood;
}

/** A folder that is empty: an earlier history must not be continued. */
async function freshFolder(path: string): Promise<string> {
  for (let count = 1; ; count += 1) {
    const fresh = count === 1 ? path : `${path}-${count}`;
    if ((await mkdir(fresh, { recursive: true })) !== undefined) return fresh;
  }
}

function report(historyPath: string, title: string): boolean {
  const verdict = checkHistory(readHistory(historyPath));
  process.stdout.write(`${describeVerdict(verdict, title, historyPath)}\n`);
  return verdict.violations.length === 0;
}

// Somebody who ends it early must not be left with a mounted disk.
for (const signal of ["SIGINT", "SIGTERM"] as const) {
  process.once(signal, () => void stopEverything().finally(() => process.exit(1)));
}
try {
  process.exitCode = (await main()) ? 0 : 1;
} finally {
  await stopEverything();
}
