// A process with many peers in it, each as a program of its own would be; the other side is `bench/crowd.ts`.
import { z } from "zod";
import { ensureBroker } from "../../broker/managed.ts";
import { enterNetwork } from "../../peer/entering.ts";
import type { Peer } from "../../peer/peer.ts";
import { enteringSchema, seatSchema, sightSchema, watchSchema } from "../crowd-wire.ts";
import { nowMs, serve, service } from "../serving.ts";

const peers = new Map<string, Peer>();
const watches: Promise<number[]>[] = [];

function peerAt(seat: z.infer<typeof seatSchema>): Peer {
  const peer = peers.get(keyOf(seat));
  if (peer === undefined) throw new Error(`No ${seat.name} of the network ${seat.network} is in this process.`);
  return peer;
}

function keyOf({ network, name }: z.infer<typeof seatSchema>): string {
  return `${network}/${name}`;
}

async function enterAll({ seats, creates, atOnce, home, url }: z.infer<typeof enteringSchema>): Promise<number[]> {
  const waiting = [...seats];
  const tookMs: number[] = [];
  const enterOneByOne = async () => {
    for (let seat = waiting.shift(); seat !== undefined; seat = waiting.shift()) {
      const beganMs = nowMs();
      const { peer } = await enterNetwork(
        {
          ...seat,
          kind: creates ? "create" : "join",
          home,
          settings: url === null ? {} : { url },
          isNameChosen: true,
          folder: process.cwd(),
          model: undefined,
          about: undefined,
          notes: [],
        },
        { ensureBroker },
      );
      peers.set(keyOf(seat), peer);
      tookMs.push(nowMs() - beganMs);
    }
  };
  await Promise.all(Array.from({ length: atOnce }, enterOneByOne));
  return tookMs;
}

/** When each peer of the network had so many agents in its roster. */
async function knowAll(network: string, count: number): Promise<number> {
  const own = [...peers.values()].filter((peer) => peer.network === network);
  await Promise.all(own.map((peer) => knowsAll(peer, count)));
  return nowMs();
}

function knowsAll(peer: Peer, count: number): Promise<void> {
  return new Promise((resolve) => {
    let isDue = false;
    const look = () => {
      isDue = false;
      if (peer.roster().length < count) return;
      peer.events.off("roster", note);
      resolve();
    };
    // A burst of records is looked at once: a look sorts the whole roster.
    const note = () => {
      if (!isDue) setImmediate(look);
      isDue = true;
    };
    peer.events.on("roster", note);
    look();
  });
}

/** When each peer but one had its first event of these. */
function watch({ events, network, except }: z.infer<typeof watchSchema>): number {
  const watched = [...peers.values()].filter((peer) => peer.network === network && peer.name !== except);
  const firsts = watched.map(
    (peer) =>
      new Promise<number>((resolve) => {
        for (const event of events) peer.events.once(event, () => resolve(nowMs()));
      }),
  );
  return watches.push(Promise.all(firsts)) - 1;
}

async function leaveAll(): Promise<void> {
  const leaving = [...peers.values()].map((peer) => peer.leave());
  peers.clear();
  await Promise.all(leaving);
}

serve({
  enter: service(enteringSchema, enterAll),
  knowAll: service(z.object({ network: z.string(), count: z.int() }), ({ network, count }) => knowAll(network, count)),
  watch: service(watchSchema, watch),
  watched: service(z.int(), (place) => watches[place]),
  describe: service(sightSchema, ({ seat, role }) => {
    const atMs = nowMs();
    peerAt(seat).describe({ role });
    return atMs;
  }),
  seeing: service(sightSchema, ({ seat, role }) => {
    const seers = [...peers.values()].filter(({ network }) => network === seat.network);
    return seers.filter((peer) => peer.roster().find(({ name }) => name === seat.name)?.presence.role === role).length;
  }),
  leave: service(seatSchema, (seat) => peerAt(seat).leave()),
  leaveAll: service(z.null(), leaveAll),
  // Node was started with --expose-gc: what is only waiting to be collected is no peer's.
  heap: service(z.null(), () => {
    globalThis.gc?.();
    return process.memoryUsage().heapUsed;
  }),
});
