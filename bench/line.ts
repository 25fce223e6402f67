import type { z } from "zod";
import type { BenchBroker } from "./brokers.ts";
import { type Child, type ChildOptions, nothing, startChild } from "./child.ts";
import {
  type Arrivals,
  arrivalsSchema,
  type floodSchema,
  type Place,
  type paceSchema,
  type Sample,
  type Span,
  sampleSchema,
  type sendSchema,
  spanSchema,
} from "./ends/place.ts";

/** A process with one or more ends of lines. All times are of `nowMs`, the clock of the machine. */
export interface EndProcess {
  pid: number;
  /** Opens one more end in it. */
  open(place: Place): Promise<void>;
  /** Sends one text from its first end. @returns when it is confirmed */
  send(what: z.infer<typeof sendSchema>): Promise<Sample>;
  /** Sends texts at a steady pace from its first end. @returns when all are confirmed */
  pace(what: z.infer<typeof paceSchema>): Promise<Sample[]>;
  /** Sends texts from all its ends as fast as it can. @returns when all are confirmed */
  flood(what: z.infer<typeof floodSchema>): Promise<Span>;
  /** Forgets what arrived. */
  forget(): Promise<void>;
  /** Waits until so many texts have arrived since it forgot. */
  arrived(count: number): Promise<Arrivals>;
  kill: Child["kill"];
}

// A flood over a slow broker takes its time; that it does not end at all must be told all the same.
const longTimeoutMs = 240_000;

/** Starts a process and opens these ends in it, side by side. `stopEverything()` kills it. */
export async function startEnds(places: Place[], options: ChildOptions = {}): Promise<EndProcess> {
  const child = await startChild(new URL("children/ends.ts", import.meta.url), options);
  const open = async (place: Place) => void (await child.ask("open", nothing, place));
  await Promise.all(places.map(open));
  return {
    pid: child.pid,
    open,
    send: (what) => child.ask("send", sampleSchema, what),
    pace: (what) => child.ask("pace", sampleSchema.array(), what, longTimeoutMs),
    flood: (what) => child.ask("flood", spanSchema, what, longTimeoutMs),
    forget: async () => void (await child.ask("forget", nothing)),
    arrived: (count) => child.ask("arrived", arrivalsSchema, count, longTimeoutMs),
    kill: child.kill,
  };
}

/** What is measured, as the tables name it: the layer, and the broker that it is on. */
export function subjectOf(kind: "pilink" | "mqtt", broker: BenchBroker): string {
  return kind === "pilink" ? broker.name : `bare mqtt.js on ${broker.name}`;
}

/** The place of a peer, or of a bare client, on a broker. */
export function placeOn(
  broker: BenchBroker,
  kind: "pilink" | "mqtt",
  name: string,
  { network, does }: { network: string; does: "create" | "join" },
): Place {
  if (kind === "mqtt") return { kind, name, address: broker.address };
  return { kind, does, network, name, home: broker.home, url: broker.url ?? null };
}

/** The values with another one first each round, so that none of them always comes after the same one. */
export function rotate<Value>(values: readonly Value[], round: number): Value[] {
  const first = round % Math.max(1, values.length);
  return [...values.slice(first), ...values.slice(0, first)];
}
