import { PilinkError } from "../protocol/errors.ts";
import type { Presence } from "../protocol/presence.ts";
import type { Identity } from "./identity.ts";
import type { NetworkState, RosterEntry } from "./peer.ts";
import type { Life } from "./roster.ts";

/** The roster as a face shows it: the host first, then by name. */
export function listRoster(identity: Identity, own: Presence, lives: Life[]): RosterEntry[] {
  const self: RosterEntry = {
    name: identity.name,
    presence: own,
    state: "online",
    isSelf: true,
    isHost: identity.kind === "host",
  };
  return [self, ...lives.map((life) => describeLife(identity, life))].sort(
    (a, b) => Number(b.isHost) - Number(a.isHost) || (a.name < b.name ? -1 : 1),
  );
}

/** One other peer as a face shows it. */
export function describeLife(identity: Identity, life: Life): RosterEntry {
  return {
    name: life.name,
    presence: life.presence,
    state: life.presence.state === "online" ? "online" : "lost",
    isSelf: false,
    isHost: life.name === identity.host,
  };
}

/**
 * Makes sure that something can be sent.
 *
 * @throws PilinkError `network-suspended`, `network-closed`, `not-joined`
 */
export function requireActive({ network, host, name }: Identity, state: NetworkState): void {
  if (state === "suspended") {
    throw new PilinkError(
      "network-suspended",
      `Nothing was sent: the network host is offline ("${host}" of the network "${network}"). It can be sent again if the host returns.`,
    );
  }
  if (state === "closed") {
    throw new PilinkError(
      "network-closed",
      `Nothing was sent: the network "${network}" is no longer available. Run /pilink setup to start or join a new network.`,
    );
  }
  if (state === "left") {
    throw new PilinkError("not-joined", `Nothing was sent: "${name}" has left the network "${network}".`);
  }
}
