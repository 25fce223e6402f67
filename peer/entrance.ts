import { isLoopback } from "../protocol/address.ts";
import type { Control } from "../protocol/control.ts";
import { PilinkError } from "../protocol/errors.ts";
import { newBox, newId } from "../protocol/ids.ts";
import type { Presence } from "../protocol/presence.ts";
import { everyone } from "../protocol/topics.ts";
import { protocolVersion } from "../protocol/version.ts";
import { cancelled } from "./election.ts";
import { HostRecords } from "./host-records.ts";
import type { LinkOptions } from "./link.ts";
import { type Answer, Wire } from "./wire.ts";

/** How long a host may take to answer, in milliseconds (topics.md, "Entering a network"). */
export const answerLimitMs = 3_000;

// A host that is not busy answers within a round trip. So long is waited for it, or so many times what it took to connect,
// before it is looked for: where everything is slow, looking would make it slower.
const patienceMs = { loopback: 100, network: 500 } as const;
const patienceTimes = 5;
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
 * Asks the host of a network to be let in, over a connection of its own that has no will and leaves nothing behind:
 * before the answer nobody knows which instance a birth or a will should name.
 *
 * The host is asked where only hosts listen, so that nobody needs to know who it is. Where no answer comes it is looked
 * for among all records, each of which may be of a peer: in a large network that would be most of what a join costs.
 *
 * @throws PilinkError `network-not-found`, `host-silent`, `network-suspended`, `broker-forbids`, `cancelled`, and what {@link Wire} throws
 */
export async function requestAdmission(newcomer: Newcomer): Promise<Admission> {
  const place = isLoopback(newcomer.connection.url) ? "loopback" : "network";
  const admission = await withSetupConnection(newcomer, (wire, tookMs) => {
    const limitMs = Math.max(patienceMs[place], patienceTimes * tookMs);
    return askWhoeverHosts(wire, newcomer, Math.min(answerLimitMs, limitMs));
  });
  if (admission !== undefined) return admission;
  // Over another connection: Mosquitto 2.0.11 closes the one of who publishes a second time what is forbidden.
  return await withSetupConnection(newcomer, async (wire) => {
    const hosts = new HostRecords(wire);
    await wire.subscribePresence();
    await requireRoundTrip(wire, newcomer);
    await hosts.untilFound(graceMs[place], newcomer.signal);
    return await askHosts(wire, hosts, newcomer);
  });
}

async function withSetupConnection<Result>(
  { network, name, connection }: Newcomer,
  work: (wire: Wire, tookMs: number) => Promise<Result>,
): Promise<Result> {
  const beganMs = performance.now();
  const wire = new Wire(network, name, { ...connection, clientId: `pls${newBox()}`, clean: true });
  try {
    await wire.link.open();
    await wire.subscribeOwn(["control"], "member");
    return await work(wire, performance.now() - beganMs);
  } finally {
    await wire.link.close();
  }
}

/** The answer of a host that takes what is asked of any ([LIFE-19] in topics.md). */
async function askWhoeverHosts(wire: Wire, newcomer: Newcomer, limitMs: number): Promise<Admission | undefined> {
  if (newcomer.signal?.aborted === true) throw cancelled("Joining");
  const asked = makeRequest(newcomer);
  const answer = await wire.ask(everyone, asked, limitMs);
  // The instance is named by its host's life.
  if (answer === undefined || answer.type === "pong" || answer.epoch !== answer.net) return undefined;
  return readAnswer(answer, answer.from, asked);
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
  const { network, former, signal } = newcomer;
  let silent: [string, Presence] | undefined;
  for (const [host, record] of hosts.candidates()) {
    if (record.epoch === former || (await newcomer.isDead(host, record))) continue;
    if (signal?.aborted === true) throw cancelled("Joining");
    const asked = makeRequest(newcomer);
    const admission = readAnswer(await wire.ask(host, asked, answerLimitMs), host, asked);
    if (admission !== undefined) return admission;
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

type JoinRequest = Extract<Control, { type: "join" }>;

function makeRequest({ name, epoch, box, former }: Newcomer): JoinRequest {
  return {
    v: protocolVersion,
    type: "join",
    id: newId(),
    from: name,
    epoch,
    box,
    at: Date.now(),
    ...(former === undefined ? {} : { former }),
  };
}

function readAnswer(answer: Answer | undefined, host: string, { at }: JoinRequest): Admission | undefined {
  if (answer?.type === "refused") return { kind: "refused", host, offer: answer.offer, reason: answer.reason };
  if (answer?.type !== "joined") return undefined;
  const clockOffsetMs = Math.round(answer.at - (at + Date.now()) / 2);
  return { kind: "joined", host, net: answer.net, clockOffsetMs, about: answer.about };
}
