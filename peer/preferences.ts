import { hopsLimit } from "../protocol/envelope.ts";
import type { InboxEntry } from "./peer.ts";
import type { Settings } from "./settings.ts";

/** What happens with what arrives, and with what the model wants to send. It changes while a Pi runs. */
export interface Preferences {
  delivery: Delivery;
  /** By `<network>/<peer>`; what is not in it has the general delivery. */
  deliveries: Record<string, Delivery | "block">;
  /** True where the person sees each message of the model before it goes. */
  confirm: boolean;
}

/** Put into the session, that and a turn started, or only kept in the inbox. */
export type Delivery = NonNullable<Settings["delivery"]>;

/** What happens with one message, and why it is held where it is. */
export type Decision = { delivery: "inject" | "turn" } | { delivery: "hold"; because: "delivery" | "hops" };

/** The preferences that the settings state. */
export function readPreferences(settings: Settings): Preferences {
  return {
    delivery: settings.delivery ?? "inject",
    deliveries: { ...settings.deliveries },
    confirm: settings.confirm ?? false,
  };
}

/** The key of a peer among the deliveries. */
export function peerKey(network: string, peer: string): string {
  return `${network}/${peer}`;
}

/** True where the person takes no messages from that peer. */
export function isBlocked(preferences: Preferences, network: string, from: string): boolean {
  return preferences.deliveries[peerKey(network, from)] === "block";
}

/**
 * The one place that decides what happens with a message that arrived (topics.md, "Into a session").
 *
 * @param network the network that it came in
 */
export function decide(preferences: Preferences, network: string, entry: InboxEntry): Decision {
  if (entry.hops > hopsLimit) return { delivery: "hold", because: "hops" };
  const { from, verified } = entry;
  const ofPeer = from === undefined ? undefined : preferences.deliveries[peerKey(network, from)];
  const wanted = ofPeer ?? preferences.delivery;
  // Blocked after it was taken: it is not thrown away, and not shown either.
  if (wanted === "hold" || wanted === "block") return { delivery: "hold", because: "delivery" };
  // Anybody can publish by hand under any name; that starts nothing.
  return { delivery: verified ? wanted : "inject" };
}
