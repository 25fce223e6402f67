import { fileURLToPath } from "node:url";
import { stopBroker } from "../../broker/managed.ts";
import { newId } from "../../protocol/ids.ts";
import { type PiOptions, stateFolderOf } from "../../test/support/pi-home.ts";
import { type PiProcess, startPi } from "../../test/support/pi-process.ts";
import { temporaryHome } from "../../test/support/temporary-home.ts";
import { startManaged } from "../brokers.ts";
import { startCrowd } from "../crowd.ts";
import { type Figure, summarize, type Unit } from "../figure.ts";
import { checkout, installInstead, installPackage, type PackageCopy } from "../installed-package.ts";
import { rotate } from "../line.ts";
import { residentMB, tellsCosts } from "../process-cost.ts";
import { Recording } from "../recording.ts";
import type { Scene, SceneOptions } from "../scene.ts";
import { nowMs } from "../serving.ts";

const title = "start of Pi";
const plain = "no extension";
const tenLines = "an extension of ten lines";
const tenLinesInstalled = "a package with that extension, installed";
const tenLinesPath = fileURLToPath(new URL("../extensions/ten-lines.ts", import.meta.url));
const network = "lab";
const quantities = {
  start: "spawn to the first answer",
  startMore: "spawn to the first answer, more than without",
  memory: "memory",
  memoryMore: "memory, more than without",
  join: "/pilink join to its notice",
  create: "/pilink create to its notice, the broker runs",
  createAll: "/pilink create to its notice, the broker does not run",
  joinedMemory: "memory when joined, more than before",
} as const;

/** One way to start a Pi. */
interface Way {
  subject: string;
  options: Omit<PiOptions, "home">;
  /** Where it can enter a network. */
  copy: PackageCopy | undefined;
}

const installedSubject = "pilink, installed (pi install npm:)";
const reached = (name: string, quantity: string, atMost: number) => ({
  title: name,
  figure: { scene: title, subject: installedSubject, quantity },
  atMost,
});

/** What the extension adds to the start and the memory of Pi, and how long it takes to enter a network. */
export const start: Scene = {
  name: "start",
  title: "what the extension adds to Pi's start and memory, unused and used",
  goals: [
    reached("Pi's start with the extension loaded and unused, ms more", quantities.startMore, 15),
    reached("the same, MB more", quantities.memoryMore, 3),
    reached("join, the broker runs", quantities.join, 150),
    reached("create, the broker runs", quantities.create, 150),
    reached("create, the broker is started", quantities.createAll, 400),
  ],
  measure,
};

async function measure({ rounds, isQuick, say }: SceneOptions): Promise<Figure[]> {
  if (!tellsCosts()) {
    say("This system has no /proc to read costs from: left out.");
    return [];
  }
  const { path: home } = await temporaryHome();
  const copies = isQuick ? [checkout] : [checkout, await installPackage(home)];
  const ways: Way[] = [
    { subject: plain, options: { name: "plain", extensions: [] }, copy: undefined },
    { subject: tenLines, options: { name: "ten-lines", extensions: [tenLinesPath] }, copy: undefined },
    ...(isQuick
      ? []
      : [{ subject: tenLinesInstalled, options: await installInstead(home, tenLinesPath), copy: undefined }]),
    ...copies.map((copy) => ({ subject: copy.subject, options: copy.pi, copy })),
  ];
  const measuring = { home, recording: new Recording() };
  const perRound = isQuick ? 2 : 6;
  // What the first start writes to caches, the later ones read.
  for (const { options } of ways) await (await startPi({ home, ...options })).stop();
  for (let round = 0; round < rounds; round += 1) {
    await measureRunning(ways, round, perRound, measuring);
    for (const { subject, options } of rotate(
      ways.filter(({ copy }) => copy !== undefined),
      round,
    )) {
      await measureBrokerStart(subject, options, perRound / 2, measuring);
    }
    say(`round ${round + 1}: ${perRound} starts of each`);
  }
  const figures = measuring.recording.figures();
  return ways.flatMap(({ subject }) => figures.filter((figure) => figure.subject === subject));
}

interface Measuring {
  home: string;
  recording: Recording;
}

/** Starts each in turn; those that can, join a network on a broker that runs, or create one. */
async function measureRunning(
  ways: readonly Way[],
  round: number,
  perRound: number,
  { home, recording }: Measuring,
): Promise<void> {
  const broker = await startManaged(stateFolderOf(home));
  const others = await startCrowd(broker, 1);
  await others.enter([{ network, name: "host" }], { creates: true });
  const found = new Map(ways.map(({ subject }) => [subject, new Samples()]));
  for (let turn = 0; turn < perRound; turn += 1) {
    for (const { subject, options, copy } of rotate(ways, round + turn)) {
      const samples = found.get(subject);
      if (samples === undefined) continue;
      const beganMs = nowMs();
      const pi = await startPi({ home, ...options });
      samples.add(quantities.start, "ms", nowMs() - beganMs);
      const unused = await residentMB(pi.pid);
      samples.add(quantities.memory, "MB", unused);
      if (copy !== undefined) {
        const does = turn % 2 === 0 ? "join" : "create";
        const line = does === "join" ? `/pilink join ${network}` : `/pilink create mine-${round}-${turn}`;
        samples.add(quantities[does], "ms", await enter(pi, line));
        samples.add(quantities.joinedMemory, "MB", (await residentMB(pi.pid)) - unused);
      }
      await pi.stop();
    }
  }
  const base = found.get(plain);
  for (const [subject, samples] of found) {
    samples.note(recording, subject);
    if (base === undefined || samples === base) continue;
    const more = (quantity: string) => samples.median(quantity) - base.median(quantity);
    recording.note(title, subject, quantities.startMore, "ms", more(quantities.start));
    recording.note(title, subject, quantities.memoryMore, "MB", more(quantities.memory));
  }
  await others.kill();
  await stopBroker({ home: stateFolderOf(home) });
}

/** A Pi creates a network where the broker of its home does not run. */
async function measureBrokerStart(
  subject: string,
  options: Omit<PiOptions, "home">,
  times: number,
  { home, recording }: Measuring,
): Promise<void> {
  const samples = new Samples();
  for (let turn = 0; turn < times; turn += 1) {
    const pi = await startPi({ home, ...options });
    samples.add(quantities.createAll, "ms", await enter(pi, `/pilink create ${network}-${newId().toLowerCase()}`));
    await pi.stop();
    await stopBroker({ home: stateFolderOf(home) });
  }
  samples.note(recording, subject);
}

/** Types a line that enters a network. @returns how long it took until its notice */
async function enter(pi: PiProcess, line: string): Promise<number> {
  const beganMs = performance.now();
  const [notice] = await Promise.all([pi.nextNotification(/^(Joined|Created) the network/), pi.prompt(line)]);
  return notice.atMs - beganMs;
}

/** The values of one round. */
class Samples {
  readonly #values = new Map<string, { unit: Unit; values: number[] }>();

  add(quantity: string, unit: Unit, value: number): void {
    const held = this.#values.get(quantity) ?? { unit, values: [] };
    held.values.push(value);
    this.#values.set(quantity, held);
  }

  median(quantity: string): number {
    return summarize(this.#values.get(quantity)?.values ?? []).median;
  }

  note(recording: Recording, subject: string): void {
    for (const [quantity, { unit }] of this.#values) {
      recording.note(title, subject, quantity, unit, this.median(quantity));
    }
  }
}
