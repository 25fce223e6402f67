import { setTimeout as pause } from "node:timers/promises";
import { z } from "zod";
import { stopBroker } from "../../broker/managed.ts";
import { messageOf } from "../../protocol/errors.ts";
import { stopEverything } from "../../test/support/cleanup.ts";
import { type BenchBroker, startBrokers, startManaged } from "../brokers.ts";
import { startChild } from "../child.ts";
import { type Crowd, makeSeats, startCrowd } from "../crowd.ts";
import type { Seat } from "../crowd-wire.ts";
import type { Figure, Unit } from "../figure.ts";
import { describeGrowth } from "../growth.ts";
import { rotate } from "../line.ts";
import { processorMs, residentMB, tellsCosts, written } from "../process-cost.ts";
import { Recording } from "../recording.ts";
import type { Scene, SceneOptions } from "../scene.ts";
import { nowMs } from "../serving.ts";

const title = "scale, managed broker";
const crowdProcesses = 4;
// In each process. More at a time only wait for each other on a machine with few cores.
const atOnce = 2;

/** How many networks of how many peers. */
interface Size {
  subject: string;
  networks: number;
  peers: number;
}

const oneNetwork = (peers: number): Size => ({ subject: `${peers} peers, one network`, networks: 1, peers });
const sizes = [oneNetwork(10), oneNetwork(100), oneNetwork(1_000)];
const manyNetworks = { subject: "1000 peers, 100 networks", networks: 100, peers: 10 };
const quickSizes = [oneNetwork(10), { subject: "20 peers, 5 networks", networks: 5, peers: 4 }];

// NATS does not bring a million records within two minutes, and nobody needs to wait for that.
const bareBrokers: BenchBroker["name"][] = ["managed broker", "Mosquitto"];
const barePeers = 1_000;
// As long as a peer's record.
const bareRecordBytes = 230;
const bareLimitMs = 120_000;
const bareSubjectOf = (name: BenchBroker["name"]) => `${barePeers} bare mqtt.js clients on ${name}`;

const quantities = {
  join: "all joined, 8 at a time",
  lastJoin: "one more joins",
  lastKnows: "then knows all others",
  othersKnow: "one more joins, all others know it",
  change: "one peer's new role is known to all",
  changeBytes: "one peer's new role, broker writes",
  leave: "one peer leaves, all others know it",
  brokerMB: "broker, memory",
  brokerIdle: "broker, processor while idle",
  peerKB: "one peer more in a process, memory",
  peerHeapKB: "one peer more in a process, heap",
  peersIdle: "all peers, processor while idle",
  singleMB: "a process with one peer, memory",
} as const;

const reached = (quantity: string, name: string, atMost: number, size = oneNetwork(1_000)) => ({
  title: name,
  figure: { scene: title, subject: size.subject, quantity },
  atMost,
});

/** What a network costs as it grows. */
export const scale: Scene = {
  name: "scale",
  title: "10, 100 and 1,000 peers in one network, and in 100 networks",
  goals: [
    reached(quantities.join, "1,000 peers in one network, all joined, ms", 10_000),
    reached(quantities.lastKnows, "the last joiner knows all the others after its join, ms", 1_000),
    reached(quantities.brokerMB, "managed broker with 1,000 peers, MB", 120),
    reached("broker, memory without a peer", "managed broker without a peer, MB", 75, oneNetwork(10)),
    reached(quantities.brokerIdle, "managed broker with 10 peers, idle, %", 0.5, oneNetwork(10)),
  ],
  measure,
};

async function measure({ rounds, isQuick, say }: SceneOptions): Promise<Figure[]> {
  if (!tellsCosts()) {
    say("This system has no /proc to read costs from: left out.");
    return [];
  }
  const recording = new Recording();
  const all = isQuick ? quickSizes : [...sizes, manyNetworks];
  for (let round = 0; round < rounds; round += 1) {
    // A thousand peers on one machine take long to join: they are measured once.
    const ofRound = all.filter(({ networks, peers }) => round === 0 || networks * peers < 1_000);
    for (const size of rotate(ofRound, round)) {
      const beganMs = nowMs();
      try {
        await measureSize(size, { recording, idleMs: isQuick ? 200 : 4_000 });
        say(`round ${round + 1}: ${size.subject}, ${((nowMs() - beganMs) / 1000).toFixed(1)} s`);
      } catch (error) {
        // What the machine cannot do is a result as well, and the other sizes have theirs.
        say(`round ${round + 1}: ${size.subject} could not be measured: ${messageOf(error)}`);
        await stopEverything();
      }
    }
  }
  if (!isQuick) await measureBare(recording, say);
  const figures = recording.figures();
  if (!isQuick)
    for (const line of describeGrowth(
      figures,
      sizes.map(({ subject }) => subject),
    ))
      say(line);
  // Each size in one block, in the order of the sizes.
  const subjects = [...all.map(({ subject }) => subject), ...bareBrokers.map(bareSubjectOf)];
  return subjects.flatMap((wanted) => figures.filter(({ subject }) => subject === wanted));
}

/**
 * The limit for a network in which all know each other from their retained records: as many bare clients that do
 * nothing but publish one, and wait for everybody's.
 */
async function measureBare(recording: Recording, say: SceneOptions["say"]): Promise<void> {
  const record = JSON.stringify({ state: "online", more: "x".repeat(bareRecordBytes) });
  for (const broker of await startBrokers(say)) {
    if (!bareBrokers.includes(broker.name)) continue;
    const beganMs = nowMs();
    const children = await Promise.all(
      Array.from({ length: crowdProcesses }, () => startChild(new URL("../children/bare-crowd.ts", import.meta.url))),
    );
    const shares = children.map((_, place) =>
      Array.from({ length: barePeers / crowdProcesses }, (_none, index) => `${place}-${index}`),
    );
    const enteredMs = nowMs();
    const knownMs = await Promise.all(
      children.map((child, place) => {
        const crowd = { address: broker.address, names: shares[place], total: barePeers, atOnce, record };
        return child.ask("enter", z.number(), crowd, bareLimitMs);
      }),
    );
    recording.note(title, bareSubjectOf(broker.name), quantities.join, "ms", Math.max(...knownMs) - enteredMs);
    await Promise.all(children.map((child) => child.kill()));
    say(`${bareSubjectOf(broker.name)}, ${((nowMs() - beganMs) / 1000).toFixed(1)} s`);
  }
}

interface Measuring {
  recording: Recording;
  idleMs: number;
}

async function measureSize(size: Size, { recording, idleMs }: Measuring): Promise<void> {
  const note = (quantity: string, unit: Unit, value: number) =>
    recording.note(title, size.subject, quantity, unit, value);
  const broker = await startUsed();
  note("broker, memory without a peer", "MB", await residentMB(broker.pid));
  const crowd = await startCrowd(broker, crowdProcesses);
  const latecomer = await startCrowd(broker, 1);
  const hosting = await startCrowd(broker, 1);
  await warmUp(crowd, crowdProcesses);
  await warmUp(latecomer, 1);
  const before = await footprint(crowd);

  const names = Array.from({ length: size.networks }, (_, index) => `lab-${index}`);
  const hosts = names.map((network) => ({ network, name: "host" }));
  // One of the first network comes later, by itself.
  const members = names.flatMap((network, index) => makeSeats(network, size.peers - (index === 0 ? 2 : 1)));
  const beganMs = nowMs();
  await hosting.enter(hosts, { creates: true, atOnce });
  await crowd.enter(members, { atOnce });
  note(quantities.join, "ms", nowMs() - beganMs);
  await Promise.all(names.map((network, index) => crowd.knowAll(network, size.peers - (index === 0 ? 1 : 0))));

  await measureLatecomer(size, { crowd, latecomer, note });
  await measureChange(size, { broker, crowd, note });

  const after = await footprint(crowd);
  const entered = members.length;
  note(quantities.brokerMB, "MB", await residentMB(broker.pid));
  note(quantities.peerKB, "KB", ((after.residentMB - before.residentMB) * 1024) / entered);
  note(quantities.peerHeapKB, "KB", (after.heapBytes - before.heapBytes) / 1024 / entered);
  note(quantities.singleMB, "MB", (await footprint(latecomer)).residentMB);
  const idle = await idleCosts([broker.pid, ...hosting.pids, ...crowd.pids], idleMs);
  note(quantities.brokerIdle, "%", idle[0] ?? 0);
  note(
    quantities.peersIdle,
    "%",
    idle.slice(1).reduce((total, percent) => total + percent, 0),
  );

  const departed = await crowd.watch({ events: ["departed"], network: "lab-0", except: null });
  const leftMs = nowMs();
  await latecomer.leaveAll();
  note(quantities.leave, "ms", Math.max(...(await departed())) - leftMs);
  // A thousand farewells would only be waited for: the broker goes first, so that nobody is told of anybody's end.
  process.kill(broker.pid, "SIGKILL");
  await Promise.all([crowd, hosting, latecomer].map((each) => each.kill()));
}

/** A broker that is not the first one of its home: the first compiles what the later ones read from the home. */
async function startUsed(): Promise<BenchBroker> {
  const { home } = await startManaged();
  await stopBroker({ home });
  return startManaged(home);
}

/** Lets each process be one peer for a moment: what only the first peer of a process pays is no cost of a network. */
async function warmUp(crowd: Crowd, processes: number): Promise<void> {
  const names = Array.from({ length: processes }, (_, index) => `warm-up-${index}-of-${processes}`);
  await crowd.enter(
    names.map((network) => ({ network, name: "host" })),
    { creates: true },
  );
  await crowd.leaveAll();
}

type Note = (quantity: string, unit: Unit, value: number) => void;

/** One peer more, in a process of its own, joins the first network. */
async function measureLatecomer(
  size: Size,
  { crowd, latecomer, note }: { crowd: Crowd; latecomer: Crowd; note: Note },
): Promise<void> {
  const joined = await crowd.watch({ events: ["joined"], network: "lab-0", except: null });
  const beganMs = nowMs();
  const [tookMs = 0] = await latecomer.enter([{ network: "lab-0", name: "latecomer" }], {});
  const enteredMs = nowMs();
  const knowsMs = await latecomer.knowAll("lab-0", size.peers);
  note(quantities.lastJoin, "ms", tookMs);
  note(quantities.lastKnows, "ms", Math.max(0, knowsMs - enteredMs));
  note(quantities.othersKnow, "ms", Math.max(...(await joined())) - beganMs);
}

/** One peer of the first network changes what it says of itself. */
async function measureChange(
  size: Size,
  { broker, crowd, note }: { broker: BenchBroker; crowd: Crowd; note: Note },
): Promise<void> {
  const seat: Seat = { network: "lab-0", name: "peer-0" };
  const role = "now something else";
  const changed = await crowd.watch({ events: ["roster"], network: seat.network, except: seat.name });
  const before = await written(broker.pid);
  const beganMs = await crowd.describe(seat, role);
  note(quantities.change, "ms", Math.max(...(await changed())) - beganMs);
  const after = await written(broker.pid);
  // Nothing else happens in an idle network, so the first change of a roster is this one; it is made sure of.
  const seeing = await crowd.seeing(seat, role);
  if (seeing !== size.peers - 2) throw new Error(`${seeing} of ${size.peers - 2} peers see the new role.`);
  note(quantities.changeBytes, "bytes", after.bytes - before.bytes);
}

async function footprint(crowd: Crowd): Promise<{ residentMB: number; heapBytes: number }> {
  const heapBytes = await crowd.heapBytes();
  const resident = await Promise.all(crowd.pids.map(residentMB));
  return { residentMB: resident.reduce((total, each) => total + each, 0), heapBytes };
}

/** The share of one processor that each process uses while nothing happens, in percent. */
async function idleCosts(pids: readonly number[], forMs: number): Promise<number[]> {
  const before = await Promise.all(pids.map(processorMs));
  const beganMs = nowMs();
  await pause(forMs);
  const after = await Promise.all(pids.map(processorMs));
  const tookMs = nowMs() - beganMs;
  return after.map((ms, place) => (100 * (ms - (before[place] ?? ms))) / tookMs);
}
