import { type BenchBroker, startBrokers } from "../brokers.ts";
import type { Goal } from "../goal.ts";
import { type EndProcess, placeOn, rotate, startEnds, subjectOf } from "../line.ts";
import { Recording } from "../recording.ts";
import type { Scene, SceneOptions } from "../scene.ts";

/** Senders and one receiver, on one broker. */
interface Crowd {
  subject: string;
  senders: EndProcess[];
  receiver: EndProcess;
}

interface Setting {
  scene: string;
  /** How many ends there are in each process of the senders. */
  spread: readonly number[];
  /** How many texts each end has on its way at a time. */
  inFlight: number;
}

const bytes = 256;
const quantity = "until the last is confirmed";
const settings: readonly Setting[] = [
  { scene: "Throughput, 1 → 1, 256 B", spread: [1], inFlight: 256 },
  { scene: "Throughput, 10 → 1, 256 B", spread: [5, 5], inFlight: 64 },
];

/** As many messages as go through: each of pilink's is on the receiver's disk, and its sender knows. */
export const throughput: Scene = {
  name: "throughput",
  title: "many messages at once from one and from ten senders, beside bare mqtt.js",
  goals: makeGoals(),
  measure,
};

async function measure({ rounds, isQuick, say }: SceneOptions) {
  const messages = isQuick ? 200 : 5_000;
  const recording = new Recording();
  const brokers = await startBrokers(say);
  for (const [number, { scene, spread, inFlight }] of settings.entries()) {
    const crowds: Crowd[] = [];
    for (const broker of brokers) {
      for (const kind of ["pilink", "mqtt"] as const) {
        crowds.push(await openCrowd(broker, kind, spread, `throughput-${number}`));
      }
    }
    for (let round = 0; round < rounds; round += 1) {
      for (const crowd of rotate(crowds, round)) {
        const count = Math.round(messages / spread.reduce((sum, ends) => sum + ends, 0));
        // The first texts of a connection go through code that no one has compiled yet.
        if (round === 0) await flood(crowd, spread, Math.ceil(count / 10), inFlight);
        recording.note(scene, crowd.subject, quantity, "messages/s", await flood(crowd, spread, count, inFlight));
      }
      say(`${scene}: round ${round + 1} of ${rounds}`);
    }
    await Promise.all(crowds.flatMap(({ senders, receiver }) => [...senders, receiver]).map((end) => end.kill()));
  }
  return recording.figures();
}

async function openCrowd(
  broker: BenchBroker,
  kind: "pilink" | "mqtt",
  spread: readonly number[],
  network: string,
): Promise<Crowd> {
  const receiver = await startEnds([placeOn(broker, kind, "receiver", { network, does: "create" })]);
  const placesOf = (process: number, ends: number) =>
    Array.from({ length: ends }, (_, end) =>
      placeOn(broker, kind, `sender-${process}-${end}`, { network, does: "join" }),
    );
  const senders = await Promise.all(spread.map((ends, process) => startEnds(placesOf(process, ends))));
  return { subject: subjectOf(kind, broker), senders, receiver };
}

/** @returns messages a second, from the first sent to the last that arrived and was confirmed */
async function flood(
  { senders, receiver }: Crowd,
  spread: readonly number[],
  count: number,
  inFlight: number,
): Promise<number> {
  const total = count * spread.reduce((sum, ends) => sum + ends, 0);
  await receiver.forget();
  const spans = await Promise.all(senders.map((sender) => sender.flood({ to: "receiver", count, inFlight, bytes })));
  const arrivedMs = (await receiver.arrived(total)).map(([, atMs]) => atMs);
  const endedMs = [...spans.map((span) => span.endedMs), ...arrivedMs.slice(-1)];
  return (total / (Math.max(...endedMs) - Math.min(...spans.map((span) => span.beganMs)))) * 1_000;
}

function makeGoals(): Goal[] {
  const [{ scene } = { scene: "" }] = settings;
  return [
    {
      title: "throughput, one pair, each message on the receiver's disk: managed broker",
      figure: { scene, subject: "managed broker", quantity },
      atLeast: 5_000,
    },
  ];
}
