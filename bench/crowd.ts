import { z } from "zod";
import type { BenchBroker } from "./brokers.ts";
import { type Child, nothing, startChild } from "./child.ts";
import type { Seat, watchSchema } from "./crowd-wire.ts";

/** Peers spread over some processes, with the processes' shared clock (`nowMs`) in all times. */
export interface Crowd {
  pids: number[];
  /**
   * Lets peers enter, spread evenly over the processes.
   *
   * @returns how long each took, in milliseconds
   */
  enter(seats: readonly Seat[], options: { creates?: boolean; atOnce?: number }): Promise<number[]>;
  /** Waits until every peer of the network here has so many agents in its roster. @returns when the last one had */
  knowAll(network: string, count: number): Promise<number>;
  /** Begins to wait for the first of some events at each peer here. @returns gives when each had it */
  watch(what: z.infer<typeof watchSchema>): Promise<() => Promise<number[]>>;
  /** Changes what a peer here says of itself. @returns when it did */
  describe(seat: Seat, role: string): Promise<number>;
  /** How many peers here see what a peer says of itself. */
  seeing(seat: Seat, role: string): Promise<number>;
  /** All peers here leave in good order. */
  leaveAll(): Promise<void>;
  /** What all of them have on their heaps, in bytes. */
  heapBytes(): Promise<number>;
  /** SIGKILL for all processes. */
  kill(): Promise<void>;
}

const times = z.array(z.number());
// A thousand peers join slowly on a small machine.
const limitMs = 120_000;
const usualAtOnce = 8;

/**
 * Starts processes for peers; `stopEverything()` kills them.
 *
 * @param broker where the peers are to be
 * @param count how many processes
 */
export async function startCrowd({ home, url }: BenchBroker, count: number): Promise<Crowd> {
  const script = new URL("children/crowd.ts", import.meta.url);
  const options = { execArgv: ["--expose-gc"] };
  const children = await Promise.all(Array.from({ length: count }, () => startChild(script, options)));
  const places = new Map<string, Child>();
  const childOf = ({ network, name }: Seat): Child => {
    const child = places.get(`${network}/${name}`);
    if (child === undefined) throw new Error(`${name} of the network ${network} is not in this crowd.`);
    return child;
  };
  const askAll = <Value>(what: string, form: z.ZodType<Value>, argument: unknown = null): Promise<Value[]> =>
    Promise.all(children.map((child) => child.ask(what, form, argument, limitMs)));
  return {
    pids: children.map(({ pid }) => pid),
    async enter(seats, { creates = false, atOnce = usualAtOnce }) {
      const shares = children.map((child, index) => {
        const share = seats.filter((_, place) => place % children.length === index);
        for (const { network, name } of share) places.set(`${network}/${name}`, child);
        return child.ask("enter", times, { seats: share, creates, atOnce, home, url: url ?? null }, limitMs);
      });
      return (await Promise.all(shares)).flat();
    },
    knowAll: async (network, wanted) => Math.max(...(await askAll("knowAll", z.number(), { network, count: wanted }))),
    async watch(what) {
      const begun = await Promise.all(
        children.map(async (child) => ({ child, place: await child.ask("watch", z.int(), what) })),
      );
      return async () => {
        const seen = begun.map(({ child, place }) => child.ask("watched", times, place, limitMs));
        return (await Promise.all(seen)).flat();
      };
    },
    describe: (seat, role) => childOf(seat).ask("describe", z.number(), { seat, role }),
    seeing: async (seat, role) => sum(await askAll("seeing", z.int(), { seat, role })),
    async leaveAll() {
      await askAll("leaveAll", nothing);
      places.clear();
    },
    heapBytes: async () => sum(await askAll("heap", z.number())),
    async kill() {
      await Promise.all(children.map((child) => child.kill()));
    },
  };
}

/** Some peers of a network. @param first the number of the first one */
export function makeSeats(network: string, count: number, first = 0): Seat[] {
  return Array.from({ length: count }, (_, index) => ({ network, name: `peer-${first + index}` }));
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}
