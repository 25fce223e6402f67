import { createNetwork, joinNetwork, type NetworkPeer } from "../../library/index.ts";
import type { End, Hear } from "./end.ts";
import type { PilinkPlace } from "./place.ts";

// A flood must be waited for to its end, not only for the 5 s that a person would wait.
const waitMs = 300_000;

/** Enters the network as `place` says. */
export async function enterNetworkAt(place: PilinkPlace): Promise<NetworkPeer> {
  const { does, network, name, home, url } = place;
  const enter = does === "create" ? createNetwork : joinNetwork;
  return enter({ network, name, home, folder: home, ...(url === null ? {} : { url }) });
}

/** Opens a peer. A text counts as sent when every receiver has it on its disk. */
export async function openPilinkEnd(place: PilinkPlace, hear: Hear): Promise<End> {
  const peer = await enterNetworkAt(place);
  peer.events.on("message", ({ body }) => hear(String(body)));
  return {
    async send(to, body) {
      for (const { state, reason, to: name } of await peer.send(to, body, { waitMs })) {
        if (state !== "received") throw new Error(`A message to ${name} became "${state}": ${reason ?? "no reason"}`);
      }
    },
  };
}
