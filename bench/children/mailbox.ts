// A peer that leaves mail for somebody who is away, or takes what waited for it.
import { once } from "node:events";
import { z } from "zod";
import type { NetworkPeer } from "../../library/index.ts";
import { enterNetworkAt } from "../ends/pilink.ts";
import { absenceSchema, type Mail, pilinkPlaceSchema } from "../ends/place.ts";
import { nowMs, serve, service } from "../serving.ts";

let entered: NetworkPeer | undefined;
let allReceived: Promise<number> | undefined;

function here(): NetworkPeer {
  if (entered === undefined) throw new Error("This process is in no network yet.");
  return entered;
}

async function untilGone(peer: NetworkPeer, name: string): Promise<void> {
  while (peer.roster.find((entry) => entry.name === name)?.state !== "lost") await once(peer.events, "lost");
}

/** When each of so many messages is on its receiver's disk. The list of all that was sent is too long to look at again and again. */
function watchReceipts(peer: NetworkPeer, count: number): Promise<number> {
  const received = new Set<string>();
  return new Promise((resolve) => {
    peer.events.on("sent", ({ id, state }) => {
      if (state === "queued" || state === "sent") return;
      received.add(id);
      if (received.size === count) resolve(nowMs());
    });
  });
}

serve({
  enter: service(pilinkPlaceSchema, async (place) => {
    entered = await enterNetworkAt(place);
  }),

  leaveMail: service(absenceSchema, async ({ to, count, bytes }) => {
    const peer = here();
    await untilGone(peer, to);
    allReceived = watchReceipts(peer, count);
    const body = "x".repeat(bytes);
    const beganMs = nowMs();
    const outcomes = await Promise.all(Array.from({ length: count }, () => peer.send(to, body)));
    const endedMs = nowMs();
    const strange = outcomes.flat().find(({ state }) => state !== "queued");
    if (strange !== undefined) throw new Error(`A message became "${strange.state}": ${strange.reason ?? "no reason"}`);
    return { beganMs, endedMs };
  }),

  untilAllReceived: () => allReceived,

  takeMail: service(z.object({ place: pilinkPlaceSchema, count: z.int() }), async ({ place, count }): Promise<Mail> => {
    const beganMs = nowMs();
    const peer = await enterNetworkAt(place);
    entered = peer;
    const enteredMs = nowMs();
    let firstMs: number | undefined;
    let taken = 0;
    for await (const _message of peer) {
      firstMs ??= nowMs();
      taken += 1;
      if (taken === count) break;
    }
    if (firstMs === undefined) throw new Error(`The network ended before any of ${count} messages came.`);
    return { beganMs, enteredMs, firstMs, lastMs: nowMs() };
  }),
});
