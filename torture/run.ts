import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import type { TestBroker } from "../test/support/broker-process.ts";
import { startTcpProxy } from "../test/support/network.ts";
import { type BrokerName, brokers } from "./brokers.ts";
import { awaitCalm } from "./calm.ts";
import { startDisorderProxy } from "./disorder-proxy.ts";
import { collectFiles } from "./files.ts";
import { historyWriter } from "./history.ts";
import { performAction, raise } from "./perform.ts";
import { seededRandom } from "./random.ts";
import { makeSchedule, type Plan, peerNames, smallDiskPlace } from "./schedule.ts";
import { Seat } from "./seat.ts";
import { mountSmallDisk, type SmallDisk } from "./small-disk.ts";

/** How to run one torture. */
export interface TortureOptions extends Plan {
  broker: BrokerName;
  /** An empty folder: the history and the peers' state are in it. */
  folder: string;
  /** How long after the last fault everything may take to be in order again, in milliseconds. */
  calmLimitMs: number;
  keepaliveMs: number;
  closingMs: number;
  /** Connections are cut at the end of the faults, so that nothing waits for a timer: for runs that must be short. */
  wakes: boolean;
}

/** Everything that a running torture consists of. */
export interface Arena {
  broker: TestBroker;
  /** Settles when the last fault of the broker is over: they come one after the other. */
  brokerFaults: Promise<void>;
  /** By network, then by peer. */
  seats: Seat[][];
  /** Which peer creates which network. */
  hosts: number[];
  /** The one disk that can be full, and whose it is; undefined where this machine lets none be made. */
  smallDisk: (SmallDisk & { network: number; peer: number }) | undefined;
}

/**
 * Runs a torture to its end, and writes its history.
 *
 * @returns the path of the history, and what could not be done on this machine
 */
export async function runTorture(options: TortureOptions): Promise<{ historyPath: string; skipped: string[] }> {
  await mkdir(options.folder, { recursive: true });
  const historyPath = join(options.folder, "history.jsonl");
  const note = historyWriter(historyPath);
  const { seed, broker: name, forMs, networks, peers, keepaliveMs, closingMs } = options;
  const text = JSON.stringify({ forMs, networks, peers, keepaliveMs, closingMs });
  note({ kind: "run", seed, broker: name, text });

  const broker = await brokers[name].start();
  const disk = await mountSmallDisk(join(options.folder, "small-disk"));
  const arena: Arena = {
    broker,
    brokerFaults: Promise.resolve(),
    seats: [],
    hosts: Array.from({ length: networks }, () => 0),
    smallDisk: disk === undefined ? undefined : { ...disk, ...smallDiskPlace },
  };
  try {
    for (let network = 0; network < networks; network += 1) {
      arena.seats.push(await makeSeats(options, arena, network, historyPath));
    }
    for (const seat of arena.seats.flat()) seat.start();
    // What is harmed shall be there: on a busy machine it takes a while until everybody is.
    await awaitCalm(arena, options.calmLimitMs);
    await follow(options, arena, historyPath);
    note({ kind: "quiet" });
    await heal(arena, options.wakes);
    note({ kind: "calm", ...(await awaitCalm(arena, options.calmLimitMs)) });
  } finally {
    await Promise.all(arena.seats.flat().map((seat) => seat.testify()));
    await Promise.all(arena.seats.flat().map((seat) => seat.end()));
    for (const seat of arena.seats.flat()) {
      const { network, name: peer, homes } = seat.setting;
      for (const home of homes) for (const file of collectFiles(home, network, peer)) note(file);
    }
    for (const { setting } of arena.seats.flat()) {
      await setting.line.close();
      await setting.disorder.close();
    }
    await broker.kill();
    await arena.smallDisk?.unmount();
  }
  return { historyPath, skipped: disk === undefined ? ["fill-disk: no tmpfs can be mounted here"] : [] };
}

async function makeSeats(options: TortureOptions, arena: Arena, network: number, historyPath: string): Promise<Seat[]> {
  const { seed, folder, keepaliveMs, closingMs } = options;
  const seats: Seat[] = [];
  for (let peer = 0; peer < options.peers; peer += 1) {
    const name = peerNames[peer] ?? "nobody";
    const disorder = await startDisorderProxy(arena.broker.port, seededRandom(seed * 64 + network * 8 + peer));
    const line = await startTcpProxy(disorder.port);
    // In every second network all are on one machine, where the death of a host's process can be proven.
    const shared = network % 2 === 0 ? "machine" : name;
    const own = isSmallDiskOf(arena, network, peer) ? arena.smallDisk?.path : undefined;
    const homes = [
      own ?? join(folder, `network-${network}`, shared),
      join(folder, `network-${network}`, `${name}-other`),
    ] as const;
    for (const home of homes) await mkdir(home, { recursive: true });
    seats.push(
      new Seat({
        network: `net-${network}`,
        name,
        historyPath,
        note: historyWriter(historyPath),
        line,
        disorder,
        homes,
        keepaliveMs,
        closingMs,
        injects: peer % 2 === 1,
        creates: () => arena.hosts[network] === peer,
      }),
    );
  }
  return seats;
}

function isSmallDiskOf({ smallDisk }: Arena, network: number, peer: number): boolean {
  return smallDisk?.network === network && smallDisk.peer === peer;
}

async function follow(options: TortureOptions, arena: Arena, historyPath: string): Promise<void> {
  const note = historyWriter(historyPath);
  const startMs = performance.now();
  const running = new Set<Promise<void>>();
  const failures: unknown[] = [];
  let sends = 0;
  for (const { atMs, action } of makeSchedule(options)) {
    await pause(Math.max(0, startMs + atMs - performance.now()));
    if (action.do !== "send") note({ kind: "action", action: { ...action } });
    else sends += 1;
    // A fault lasts while others begin.
    const done: Promise<void> = performAction(arena, action, `${sends}`)
      .catch((failure: unknown) => void failures.push(failure))
      .finally(() => running.delete(done));
    running.add(done);
  }
  await pause(Math.max(0, startMs + options.forMs - performance.now()));
  await Promise.all(running);
  if (failures.length > 0) throw new AggregateError(failures, "A fault could not be made.");
}

async function heal({ broker, seats, smallDisk }: Arena, wakes: boolean): Promise<void> {
  broker.resume();
  if (broker.pid() === undefined) await raise(broker);
  await smallDisk?.empty();
  for (const seat of seats.flat()) {
    seat.thaw();
    seat.setting.line.heal();
    seat.setting.disorder.setDisorder({ twice: 0, shuffled: 0, lost: 0 });
    if (wakes) seat.setting.line.drop();
  }
}
