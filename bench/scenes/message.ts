import { z } from "zod";
import { temporaryHome } from "../../test/support/temporary-home.ts";
import { type BenchBroker, startBrokers } from "../brokers.ts";
import { startChild } from "../child.ts";
import { quantile } from "../figure.ts";
import type { Goal } from "../goal.ts";
import { type EndProcess, placeOn, rotate, startEnds, subjectOf } from "../line.ts";
import { Recording } from "../recording.ts";
import type { Scene, SceneOptions } from "../scene.ts";

/** A sender and a receiver, each in its own process, with something between them. */
interface Pair {
  subject: string;
  /** What a confirmed text is, on this line. */
  confirmation: string | undefined;
  sender: EndProcess;
  receiver: EndProcess;
}

interface Size {
  scene: string;
  bytes: number;
  /** How many texts a round measures, and the pause from one to the next. */
  count: number;
  everyMs: number;
}

const network = "bench";
const sizes: Size[] = [
  { scene: "One message, 256 B", bytes: 256, count: 200, everyMs: 10 },
  { scene: "One message, 64 KiB", bytes: 64 * 1024, count: 60, everyMs: 20 },
];
const relays = { sse: "HTTP POST + SSE relay", tcp: "TCP relay" } as const;
const handled = "send to handler";

/** One message at a time: how long until the other side has it, and until its sender knows. */
export const message: Scene = {
  name: "message",
  title: "one message at a time, beside bare mqtt.js, an HTTP + SSE relay and a TCP relay",
  goals: makeGoals(),
  measure,
};

async function measure({ rounds, isQuick, say }: SceneOptions) {
  const pairs = await openPairs(say);
  const recording = new Recording();
  for (let round = 0; round < rounds; round += 1) {
    for (const size of sizes) {
      for (const pair of rotate(pairs, round)) {
        const count = isQuick ? 20 : size.count;
        await exchange(pair, size, Math.ceil(count / 4));
        noteRound(recording, pair, size, await exchange(pair, size, count));
      }
    }
    say(`round ${round + 1} of ${rounds}`);
  }
  return recording.figures();
}

async function openPairs(say: (line: string) => void): Promise<Pair[]> {
  const pairs: Pair[] = [];
  for (const broker of await startBrokers(say)) {
    pairs.push(await openPilinkPair(broker), await openMqttPair(broker), await openKeptPair(broker));
  }
  pairs.push(await openSsePair(), await openTcpPair());
  return pairs;
}

async function openPilinkPair(broker: BenchBroker): Promise<Pair> {
  const sender = await startEnds([placeOn(broker, "pilink", "sender", { network, does: "create" })]);
  const receiver = await startEnds([placeOn(broker, "pilink", "receiver", { network, does: "join" })]);
  return { subject: subjectOf("pilink", broker), confirmation: "received", sender, receiver };
}

async function openMqttPair(broker: BenchBroker): Promise<Pair> {
  const place = { kind: "mqtt", address: broker.address } as const;
  const sender = await startEnds([{ ...place, name: "sender" }]);
  const receiver = await startEnds([{ ...place, name: "receiver" }]);
  return { subject: subjectOf("mqtt", broker), confirmation: "PUBACK", sender, receiver };
}

async function openKeptPair(broker: BenchBroker): Promise<Pair> {
  const { path: folder } = await temporaryHome();
  const place = { kind: "kept", address: broker.address, folder } as const;
  const sender = await startEnds([{ ...place, name: "sender" }]);
  const receiver = await startEnds([{ ...place, name: "receiver" }]);
  return { subject: `mqtt.js and a file at each end on ${broker.name}`, confirmation: "PUBACK", sender, receiver };
}

async function openSsePair(): Promise<Pair> {
  const hub = await startChild(new URL("../children/sse-hub.ts", import.meta.url));
  const place = { kind: "sse", port: await hub.ask("listen", z.int()) } as const;
  const sender = await startEnds([{ ...place, name: "sender" }]);
  const receiver = await startEnds([{ ...place, name: "receiver" }]);
  return { subject: relays.sse, confirmation: "the hub's answer", sender, receiver };
}

async function openTcpPair(): Promise<Pair> {
  const relay = await startChild(new URL("../children/tcp-relay.ts", import.meta.url));
  const place = { kind: "tcp", port: await relay.ask("listen", z.int()) } as const;
  const [sender, receiver] = await Promise.all([startEnds([place]), startEnds([place])]);
  return { subject: relays.tcp, confirmation: undefined, sender, receiver };
}

/** Sends so many texts, and waits until each has arrived and is confirmed. */
async function exchange({ sender, receiver }: Pair, { bytes, everyMs }: Size, count: number): Promise<Delays> {
  await receiver.forget();
  const samples = await sender.pace({ to: "receiver", count, everyMs, bytes });
  const atMs = new Map(await receiver.arrived(count));
  const toHandlerMs = samples.map(({ index, sentMs }) => (atMs.get(index) ?? Number.NaN) - sentMs);
  if (toHandlerMs.some(Number.isNaN)) throw new Error("A text of the bench did not arrive, and another one twice.");
  return { toHandlerMs, toConfirmedMs: samples.map(({ sentMs, confirmedMs }) => confirmedMs - sentMs) };
}

interface Delays {
  toHandlerMs: number[];
  toConfirmedMs: number[];
}

function noteRound(recording: Recording, pair: Pair, { scene }: Size, { toHandlerMs, toConfirmedMs }: Delays): void {
  const { subject, confirmation } = pair;
  const note = (what: string, values: number[]) => {
    recording.note(scene, subject, `${what}, p50`, "ms", quantile(values, 0.5));
    recording.note(scene, subject, `${what}, p99`, "ms", quantile(values, 0.99));
  };
  note(handled, toHandlerMs);
  if (confirmation !== undefined) note(`send to ${confirmation}`, toConfirmedMs);
}

function makeGoals(): Goal[] {
  const [{ scene } = { scene: "" }] = sizes;
  const figure = (subject: string, share: "p50" | "p99" = "p50") => ({
    scene,
    subject,
    quantity: `${handled}, ${share}`,
  });
  const names = ["managed broker", "Mosquitto", "NATS"] as const;
  return [
    ...names.map((name) => ({
      title: `send to handler, 256 B, p50: pilink over bare mqtt.js, ${name}`,
      figure: figure(name),
      over: figure(`bare mqtt.js on ${name}`),
      atMost: 1.25,
    })),
    {
      title: "send to handler, 256 B, p50: managed broker over the HTTP + SSE relay",
      figure: figure("managed broker"),
      over: figure(relays.sse),
      atMost: 0.6,
    },
    {
      title: "send to handler, 256 B, managed broker: p99 over p50",
      figure: figure("managed broker", "p99"),
      over: figure("managed broker"),
      atMost: 3,
    },
  ];
}
