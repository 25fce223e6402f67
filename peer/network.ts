import { folderNameOf, isLoopback, parseAddress } from "../protocol/address.ts";
import { PilinkError } from "../protocol/errors.ts";
import { clientIdOf, newEpoch } from "../protocol/ids.ts";
import { nextName, parseName } from "../protocol/names.ts";
import type { Presence } from "../protocol/presence.ts";
import { formatTopic } from "../protocol/topics.ts";
import { tidyHome } from "./audit-retention.ts";
import { readAuthorities } from "./certificate.ts";
import { clearGhostRecord } from "./clearing.ts";
import { reportDamage } from "./damage.ts";
import { elect, existingNetwork, settleTimes } from "./election.ts";
import { type Admission, requestAdmission } from "./entrance.ts";
import { HostRecords } from "./host-records.ts";
import { type Description, type Identity, makePresence } from "./identity.ts";
import { Inbox } from "./inbox.ts";
import { deleteSession, type LinkOptions } from "./link.ts";
import { Membership } from "./membership.ts";
import { findAgents } from "./networks.ts";
import { Outbox } from "./outbox.ts";
import type { EnterOptions, Peer } from "./peer.ts";
import { requireOwnRecord, requireRights } from "./rights.ts";
import { defaults } from "./settings.ts";
import { isDeadHere, type StateFolder, statePath, takeState } from "./state.ts";
import { Stay } from "./stay.ts";
import { awaitVacancy } from "./vacancy.ts";
import { Wire } from "./wire.ts";

// A person who makes up names would have given up long before.
const nameTriesLimit = 50;

/**
 * Creates a network and becomes its host.
 *
 * @throws PilinkError `network-exists`, `name-taken`, `bad-name`, `bad-argument`, `bad-config`, `broker-*`, `state-unusable`, `cancelled`
 */
export function createNetwork(options: EnterOptions): Promise<Peer> {
  return enter(options, async (entry) => ({ kind: "entered", membership: await becomeHost(entry) }));
}

/**
 * Joins a network that somebody else hosts.
 *
 * @throws PilinkError `network-not-found`, `network-suspended`, `host-silent`, `name-taken`, `bad-name`, `bad-argument`, `bad-config`, `broker-*`, `state-unusable`, `cancelled`
 */
export function joinNetwork(options: EnterOptions): Promise<Peer> {
  return enter(options, becomeMember);
}

/** One attempt to enter under one name. */
interface Entry {
  options: EnterOptions;
  network: string;
  name: string;
  epoch: string;
  state: StateFolder;
  connection: LinkOptions;
  closingMs: number;
  isDead: (name: string, epoch: string) => Promise<boolean>;
}

// Retained records come within milliseconds of the subscription.
const recordsLimitMs = 1_000;

type Outcome =
  | { kind: "entered"; membership: Membership }
  | { kind: "taken"; offer: string | undefined; reason: string };

async function enter(options: EnterOptions, attempt: (entry: Entry) => Promise<Outcome>): Promise<Peer> {
  const network = parseName(options.network, "network");
  const address = parseAddress(options.url);
  const ca = options.ca === undefined ? undefined : readAuthorities(options.ca);
  const brokerFolder = options.managed ? undefined : folderNameOf(address.url);
  let name = parseName(options.name);
  for (let tries = 0; tries < nameTriesLimit; tries += 1) {
    const epoch = newEpoch();
    const pathOf = (other: string) => statePath(options.home, network, brokerFolder, other);
    const taken = await takeState(pathOf(name), options.folder, epoch);
    if ("holder" in taken) {
      const reason = `The name "${name}" is in use in the network "${network}" by another process on this machine (pid ${taken.holder.holder.pid}).`;
      name = decline(options, name, nextName(name), reason);
      continue;
    }
    const { state } = taken;
    let outcome: Outcome;
    try {
      outcome = await attempt({
        options,
        network,
        name,
        epoch,
        state,
        connection: {
          url: address.url,
          username: options.username ?? address.username,
          password: options.password ?? address.password,
          ca,
          clientId: clientIdOf(state.box),
          clean: false,
          keepaliveMs: options.keepaliveMs ?? defaults.keepaliveMs,
          onMessage: () => undefined,
          ...(options.reach === undefined ? {} : { reach: options.reach }),
        },
        closingMs: options.closingMs ?? defaults.closingMs,
        isDead: (other, otherEpoch) => isDeadHere(options.home, network, other, otherEpoch),
      });
    } catch (error) {
      await state.lock.release();
      throw error;
    }
    if (outcome.kind === "entered") return outcome.membership;
    await state.lock.release();
    name = decline(options, name, outcome.offer ?? nextName(name), outcome.reason);
  }
  throw new PilinkError(
    "name-taken",
    `No free name was found in the network "${network}" after ${nameTriesLimit} tries. Choose one with --name.`,
  );
}

/** @returns the name to try next, for a name that nobody chose */
function decline(options: EnterOptions, name: string, offer: string, reason: string): string {
  if (!options.nameChosen) return offer;
  throw new PilinkError("name-taken", `${reason} Choose another one, for example --name ${offer}.`, { value: name });
}

async function becomeHost(entry: Entry): Promise<Membership> {
  const { options, network, name, epoch, state } = entry;
  const identity = makeIdentity(entry, { kind: "host", net: epoch, host: name });
  // A new instance puts the files of the former one aside. It may still live, unless this peer itself was its host.
  if (state.net !== null && state.net !== state.former) await requireNoHost(entry);
  if (state.net !== null) await deleteSession(entry.connection);
  const { stay, wire, files } = await assemble(entry, identity, 0, options.about);
  try {
    const hosts = new HostRecords(wire);
    await wire.link.open();
    await wire.subscribeOwn(["inbox", "receipts", "control"], identity.kind);
    await wire.subscribePresence();
    await requireRights(wire, identity);
    const ghosts = await awaitVacancy({
      wire,
      hosts,
      identity,
      closingMs: entry.closingMs,
      isDead: async (other, record) => record.epoch === state.former || entry.isDead(other, record.epoch),
      onWaiting: options.onWaiting,
      signal: options.signal,
    });
    const dead = new Set(ghosts.map(({ record }) => record.epoch));
    stay.holdQuestions();
    await elect({
      wire,
      network,
      name,
      epoch,
      settleMs: isLoopback(entry.connection.url) ? settleTimes.loopbackMs : settleTimes.networkMs,
      isGhost: (record) => dead.has(record.epoch),
      announce: () => stay.announce(),
      signal: options.signal,
    });
    await requireOwnRecord(wire, identity);
    await wire.clearMark();
    for (const ghost of ghosts) {
      if (ghost.name !== name) await clearGhostRecord(network, entry.connection, ghost.name, ghost.record);
    }
    stay.listen();
    await wire.subscribePresence();
    stay.begin();
    stay.answerHeld();
    stay.outlet.inBackground(tidy(entry));
    stay.outlet.inBackground(reportDamage(files));
    return new Membership(stay);
  } catch (error) {
    await stay.leave();
    throw error;
  }
}

/** @throws PilinkError `network-exists` where a host answers; what `findAgents` throws */
async function requireNoHost({ options, network, connection, state }: Entry): Promise<void> {
  const { username, password } = connection;
  const place = { home: options.home, url: connection.url, username, password, ca: options.ca };
  const [first] = (await findAgents(place, network)) ?? [];
  if (first?.isHost === true && first.isAnswering && first.record.epoch !== state.former) {
    throw existingNetwork(network, first.name);
  }
}

async function becomeMember(entry: Entry): Promise<Outcome> {
  const { options, network, name, epoch, state } = entry;
  const admission = await requestAdmission({
    network,
    name,
    epoch,
    box: state.box,
    former: state.former,
    connection: entry.connection,
    isDead: (other, record: Presence) => entry.isDead(other, record.epoch),
    signal: options.signal,
  });
  if (admission.kind === "refused") return { kind: "taken", offer: admission.offer, reason: admission.reason };
  return { kind: "entered", membership: await enterAdmitted(entry, admission) };
}

async function enterAdmitted(entry: Entry, admission: Extract<Admission, { kind: "joined" }>): Promise<Membership> {
  // What a broker still holds for this client id from another instance must not come (hazard 1). A box that was in none yet
  // has never connected.
  if (entry.state.net !== null && entry.state.net !== admission.net) await deleteSession(entry.connection);
  const identity = makeIdentity(entry, { kind: "member", net: admission.net, host: admission.host });
  const { stay, wire, files } = await assemble(entry, identity, admission.clockOffsetMs, admission.about);
  try {
    stay.listen();
    await wire.link.open();
    await wire.subscribeOwn(["inbox", "receipts", "control"], identity.kind);
    await requireRights(wire, identity);
    await stay.announce();
    await requireOwnRecord(wire, identity);
    stay.begin();
    await stay.reception.settleEarly(recordsLimitMs);
    stay.outlet.inBackground(tidy(entry));
    stay.outlet.inBackground(reportDamage(files));
    return new Membership(stay);
  } catch (error) {
    await stay.leave();
    throw error;
  }
}

function tidy({ options, state }: Entry): Promise<void> {
  const auditDays = options.auditDays ?? defaults.auditDays;
  return tidyHome({ home: options.home, ownPath: state.path, auditDays, nowMs: Date.now() });
}

function makeIdentity(entry: Entry, place: Pick<Identity, "kind" | "net" | "host">): Identity {
  return {
    network: entry.network,
    name: entry.name,
    epoch: entry.epoch,
    box: entry.state.box,
    keepaliveMs: entry.connection.keepaliveMs,
    sinceMs: Date.now(),
    ...place,
  };
}

async function assemble(
  entry: Entry,
  identity: Identity,
  clockOffsetMs: number,
  about: string | undefined,
): Promise<{ stay: Stay; wire: Wire; files: Awaited<ReturnType<StateFolder["enter"]>> }> {
  const { options, network, name, state, connection } = entry;
  const description: Description = {
    role: options.role,
    model: options.model,
    activity: undefined,
    contextPercent: undefined,
    folder: options.folder,
    about: identity.kind === "host" ? about : undefined,
  };
  const files = await state.enter(identity.net);
  const wire = new Wire(network, name, {
    ...connection,
    will: (conn) => ({
      topic: formatTopic(network, name, "presence"),
      payload: JSON.stringify(makePresence(identity, description, "lost", conn)),
    }),
  });
  const stay = new Stay({
    identity,
    description,
    about,
    wire,
    connection,
    inbox: new Inbox(files.inbox, options.inboxLimits),
    outbox: new Outbox(files.outbox, state.seqs),
    ended: files.ended,
    clockOffsetMs,
    closingMs: entry.closingMs,
    acceptUnverified: options.acceptUnverified ?? defaults.acceptUnverified,
    isBlocked: options.isBlocked ?? (() => false),
    isDead: entry.isDead,
    path: state.path,
    release: (isOver) => state.release(isOver),
  });
  return { stay, wire, files };
}
