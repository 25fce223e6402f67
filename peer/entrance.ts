import { isLoopback } from "../protocol/address.ts";
import { PilinkError } from "../protocol/errors.ts";
import { newBox, newId } from "../protocol/ids.ts";
import type { Presence } from "../protocol/presence.ts";
import { protocolVersion } from "../protocol/version.ts";
import { cancelled } from "./election.ts";
import { HostRecords } from "./host-records.ts";
import type { LinkOptions } from "./link.ts";
import { Wire } from "./wire.ts";

/** How long a host may take to answer, in milliseconds (topics.md, "Entering a network"). */
export const answerLimitMs = 3_000;

// Retained records come after the SUBACK with nothing that marks their end; a round trip and this much more is the end.
const graceMs = { loopback: 250, network: 1_000 } as const;

/** Who asks to be let in. */
export interface Newcomer {
  network: string;
  name: string;
  epoch: string;
  box: string;
  /** The life before this one in the same state folder. */
  former: string | undefined;
  connection: Pick<LinkOptions, "url" | "username" | "password" | "ca" | "keepaliveMs">;
  /** Whether the life of a record is provably dead. */
  isDead: (name: string, presence: Presence) => Promise<boolean>;
  signal: AbortSignal | undefined;
}

/** The host's answer to a join request. */
export type Admission =
  | { kind: "joined"; host: string; net: string; clockOffsetMs: number; about: string | undefined }
  | { kind: "refused"; host: string; offer: string | undefined; reason: string };

/**
 * Finds the host of a network and asks it to be let in, over a connection of its own that has no will and leaves nothing
 * behind: before the answer nobody knows which instance a birth or a will should name.
 *
 * @throws PilinkError `network-not-found`, `host-silent`, `network-suspended`, `broker-forbids`, `cancelled`, and what {@link Wire} throws
 */
export async function requestAdmission(newcomer: Newcomer): Promise<Admission> {
  const { network, name, connection, signal } = newcomer;
  const wire = new Wire(network, name, { ...connection, clientId: `pls${newBox()}`, clean: true });
  const hosts = new HostRecords(wire);
  try {
    await wire.link.open();
    await wire.subscribeOwn(["control"]);
    await wire.subscribePresence();
    await requireRoundTrip(wire, newcomer);
    await hosts.untilFound(isLoopback(connection.url) ? graceMs.loopback : graceMs.network, signal);
    return await askHosts(wire, hosts, newcomer);
  } finally {
    await wire.link.close();
  }
}

/** A broker that forbids a topic acknowledges and drops: better to say so than to report that no network is there. */
async function requireRoundTrip(wire: Wire, { network, name, epoch }: Newcomer): Promise<void> {
  if (await wire.probe("control", newId(), epoch, answerLimitMs)) return;
  throw new PilinkError(
    "broker-forbids",
    `The broker ${wire.link.address} does not let this account use pilink/${network}/${name}/control: what was published there did not come back. Ask whoever runs it for the access rules of topics.md.`,
    { value: `pilink/${network}/${name}/control` },
  );
}

async function askHosts(wire: Wire, hosts: HostRecords, newcomer: Newcomer): Promise<Admission> {
  const { network, name, epoch, box, former, signal } = newcomer;
  let silent: [string, Presence] | undefined;
  for (const [host, record] of hosts.candidates()) {
    if (record.epoch === former || (await newcomer.isDead(host, record))) continue;
    if (signal?.aborted === true) throw cancelled("Joining");
    const askedMs = Date.now();
    const answer = await wire.ask(
      host,
      {
        v: protocolVersion,
        type: "join",
        id: newId(),
        from: name,
        epoch,
        box,
        at: askedMs,
        ...(former === undefined ? {} : { former }),
      },
      answerLimitMs,
    );
    if (answer?.type === "joined") {
      return {
        kind: "joined",
        host,
        net: answer.net,
        clockOffsetMs: Math.round(answer.at - (askedMs + Date.now()) / 2),
        about: answer.about,
      };
    }
    if (answer?.type === "refused") return { kind: "refused", host, offer: answer.offer, reason: answer.reason };
    silent ??= [host, record];
  }
  if (silent === undefined) {
    throw new PilinkError(
      "network-not-found",
      `There is no network "${network}" on the broker ${wire.link.address}. Create it with /pilink create ${network}, or check the name and --url.`,
      { value: network },
    );
  }
  const [host, record] = silent;
  if (record.state === "lost") {
    throw new PilinkError(
      "network-suspended",
      `The host "${host}" of the network "${network}" is offline. Try again when it is back.`,
      { value: host },
    );
  }
  throw new PilinkError(
    "host-silent",
    `The host "${host}" of the network "${network}" does not answer (asked for ${answerLimitMs / 1000} s). It may be frozen or cut off: try again in a moment, or look at its terminal.`,
    { value: host },
  );
}
