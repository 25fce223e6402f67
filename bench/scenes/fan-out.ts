import { type BenchBroker, startBrokers } from "../brokers.ts";
import { quantile } from "../figure.ts";
import { type EndProcess, placeOn, rotate, startEnds, subjectOf } from "../line.ts";
import { Recording } from "../recording.ts";
import type { Scene, SceneOptions } from "../scene.ts";

/** One who tells all the others. */
interface Audience {
  subject: string;
  /** How the sender addresses everybody. */
  to: string | string[];
  confirmation: string;
  sender: EndProcess;
  listeners: { process: EndProcess; ends: number }[];
}

const bytes = 256;

/** One message to everybody: how long until the last one has it. */
export const fanOut: Scene = {
  name: "fan-out",
  title: "one message to each of 100 peers, beside bare mqtt.js",
  measure,
};

async function measure({ rounds, isQuick, say }: SceneOptions) {
  const { processes, ends, broadcasts } = isQuick
    ? { processes: 2, ends: 5, broadcasts: 3 }
    : { processes: 4, ends: 25, broadcasts: 20 };
  const scene = `Fan-out, 1 → ${processes * ends}, 256 B`;
  const recording = new Recording();
  const audiences: Audience[] = [];
  for (const broker of await startBrokers(say)) {
    for (const kind of ["pilink", "mqtt"] as const) {
      audiences.push(await gather(broker, kind, processes, ends));
      say(`${subjectOf(kind, broker)}: ${processes * ends} are here`);
    }
  }
  for (let round = 0; round < rounds; round += 1) {
    for (const audience of rotate(audiences, round)) {
      await tellAll(audience, 0);
      const lastHandlerMs: number[] = [];
      const lastConfirmedMs: number[] = [];
      for (let index = 1; index <= broadcasts; index += 1) {
        const { handlerMs, confirmedMs } = await tellAll(audience, index);
        lastHandlerMs.push(handlerMs);
        lastConfirmedMs.push(confirmedMs);
      }
      const { subject, confirmation } = audience;
      recording.note(scene, subject, "send to last handler, p50", "ms", quantile(lastHandlerMs, 0.5));
      recording.note(scene, subject, `send to last ${confirmation}, p50`, "ms", quantile(lastConfirmedMs, 0.5));
    }
    say(`round ${round + 1} of ${rounds}`);
  }
  return recording.figures();
}

async function gather(
  broker: BenchBroker,
  kind: "pilink" | "mqtt",
  processes: number,
  ends: number,
): Promise<Audience> {
  const network = "fan-out";
  const sender = await startEnds([placeOn(broker, kind, "sender", { network, does: "create" })]);
  const namesOf = (process: number) => Array.from({ length: ends }, (_, end) => `listener-${process}-${end}`);
  const listeners = await Promise.all(
    Array.from({ length: processes }, async (_, process) => {
      const places = namesOf(process).map((name) => placeOn(broker, kind, name, { network, does: "join" }));
      return { process: await startEnds(places), ends };
    }),
  );
  const names = Array.from({ length: processes }, (_, process) => namesOf(process)).flat();
  const isPilink = kind === "pilink";
  return {
    subject: subjectOf(kind, broker),
    // A topic for each, as pilink has it: a topic that all of them read would have no receipts.
    to: isPilink ? "all" : names,
    confirmation: isPilink ? "received" : "PUBACK",
    sender,
    listeners,
  };
}

async function tellAll({ sender, to, listeners }: Audience, index: number) {
  await Promise.all(listeners.map(({ process }) => process.forget()));
  const { sentMs, confirmedMs } = await sender.send({ to, index, bytes });
  const arrivals = await Promise.all(listeners.map(({ process, ends }) => process.arrived(ends)));
  const lastMs = Math.max(...arrivals.flat().map(([, atMs]) => atMs));
  return { handlerMs: lastMs - sentMs, confirmedMs: confirmedMs - sentMs };
}
