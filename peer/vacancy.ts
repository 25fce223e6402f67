import { PilinkError } from "../protocol/errors.ts";
import { newId } from "../protocol/ids.ts";
import type { Presence } from "../protocol/presence.ts";
import { protocolVersion } from "../protocol/version.ts";
import { cancelled, existingNetwork } from "./election.ts";
import { answerLimitMs } from "./entrance.ts";
import type { HostRecords } from "./host-records.ts";
import type { Identity } from "./identity.ts";
import { ghostAfterMs } from "./roster.ts";
import type { Wire } from "./wire.ts";

/** Who wants to take a network's name. */
export interface Claimant {
  wire: Wire;
  hosts: HostRecords;
  identity: Identity;
  closingMs: number;
  /** Whether the life of a record is provably dead. */
  isDead: (name: string, presence: Presence) => Promise<boolean>;
  onWaiting: ((reason: string, forMs: number) => void) | undefined;
  signal: AbortSignal | undefined;
}

/** The record of a host that does not live. */
export interface Ghost {
  name: string;
  record: Presence;
}

/**
 * Makes sure that no host of the network lives. Three seconds of silence are no death (hazard 2): a record that does
 * not answer is waited out on this connection, unless its process is provably dead.
 *
 * @returns the records of hosts that are gone for good
 * @throws PilinkError `network-exists` where a host answers, `connection-lost`, `cancelled`
 */
export async function awaitVacancy(claimant: Claimant): Promise<Ghost[]> {
  const ghosts = new Map<string, Ghost>();
  const askedMs = new Map<string, number>();
  const { conn } = claimant.wire.link;
  for (;;) {
    // Silence counts on one unbroken connection only.
    if (claimant.wire.link.conn !== conn) throw connectionLost(claimant.identity.network);
    const open = claimant.hosts.candidates().find(([, record]) => !ghosts.has(record.epoch));
    if (open === undefined) return [...ghosts.values()];
    const [name, record] = open;
    if (record.epoch === claimant.identity.epoch || (await claimant.isDead(name, record))) {
      ghosts.set(record.epoch, { name, record });
      continue;
    }
    const sinceMs = askedMs.get(record.epoch) ?? performance.now();
    await ask(claimant, name, record);
    const limitMs = ghostAfterMs(record, claimant.closingMs);
    const leftMs = sinceMs + limitMs - performance.now();
    if (leftMs <= 0) ghosts.set(record.epoch, { name, record });
    else if (!askedMs.has(record.epoch)) {
      askedMs.set(record.epoch, sinceMs);
      claimant.onWaiting?.(
        `The host "${name}" of an earlier network "${claimant.identity.network}" does not answer. It may return; its network's name is free when it has been silent for ${Math.round(limitMs / 1000)} s.`,
        leftMs,
      );
    }
  }
}

/** Asks a host for a sign, and gives it its time. @throws PilinkError `network-exists` if it answers */
async function ask({ wire, identity, signal }: Claimant, name: string, record: Presence): Promise<void> {
  const { network, name: from, epoch } = identity;
  const question = { v: protocolVersion, type: "ping", id: newId(), from, epoch, net: record.net } as const;
  const answer = await Promise.race([wire.ask(name, question, answerLimitMs), untilAborted(signal)]);
  if (answer !== undefined) throw existingNetwork(network, name);
  if (signal?.aborted === true) throw cancelled(`Creating the network "${network}"`);
  if (!wire.link.connected) {
    throw connectionLost(network);
  }
}

function untilAborted(signal: AbortSignal | undefined): Promise<undefined> {
  return new Promise((resolve) => {
    if (signal?.aborted === true) resolve(undefined);
    signal?.addEventListener("abort", () => resolve(undefined), { once: true });
  });
}

function connectionLost(network: string): PilinkError {
  return new PilinkError(
    "connection-lost",
    `The connection to the broker ended while the network "${network}" was created. Try again.`,
  );
}
