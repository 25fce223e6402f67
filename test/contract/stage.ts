import { join } from "node:path";
import { createNetwork, joinNetwork } from "../../peer/network.ts";
import type { EnterOptions, Peer, PeerEvents } from "../../peer/peer.ts";
import type { Envelope } from "../../protocol/envelope.ts";
import { type ErrorCode, PilinkError } from "../../protocol/errors.ts";
import { newId } from "../../protocol/ids.ts";
import type { MessageState } from "../../protocol/receipt.ts";
import type { TestBroker } from "../support/broker-process.ts";
import { eventually, withinDeadline } from "../support/eventually.ts";
import { startTcpProxy, type TcpProxy } from "../support/network.ts";
import {
  type PeerProcess,
  type PeerProcessOptions,
  type ProcessEnterOptions,
  startPeer,
} from "../support/peer-process.ts";
import { type RawMessage, type RawMqtt, rawMqtt } from "../support/raw-mqtt.ts";
import { temporaryHome } from "../support/temporary-home.ts";

type ToldName = Exclude<keyof PeerEvents, "roster">;
/** Something that a peer told, with the argument of its event. */
export type Told = { [Name in ToldName]: { name: Name; value: PeerEvents[Name][0] } }[ToldName];

/** A peer of the test's own process, with everything it told. */
export interface Player {
  peer: Peer;
  /** Every event since it entered, oldest first; `roster` excepted. */
  told: Told[];
  /** Waits for an event, also one that has been. @throws Error with what happened instead when the time is up */
  until(wanted: ToldName | ((told: Told) => boolean), timeoutMs?: number): Promise<Told>;
  /** How often an event has been. */
  count(name: ToldName): number;
  /** The bodies in the inbox, in order. */
  bodies(): unknown[];
}

/** What a player may be entered with; the rest has a default that fits tests. */
export type Part = Partial<EnterOptions>;

/** One test's network on a broker, and everybody in it. It ends with the test. */
export interface Stage {
  network: string;
  url: string;
  /** The folder of the machine on which players are unless they say otherwise. */
  home: string;
  /** A folder that stands for another machine: no lock of {@link home} is seen from there. */
  otherHome(): Promise<string>;
  options(name: string, part?: Part): EnterOptions;
  create(name: string, part?: Part): Promise<Player>;
  join(name: string, part?: Part): Promise<Player>;
  /** A process that can be a peer. */
  process(special?: PeerProcessOptions): Promise<PeerProcess>;
  processOptions(name: string, part?: Partial<ProcessEnterOptions>): ProcessEnterOptions;
  /** A plain client that has subscribed to all of this network. */
  raw(username?: string, password?: string): Promise<RawMqtt>;
  topic(peer: string, channel: string): string;
  /** A proxy in front of the broker, and the address to use it. */
  proxy(): Promise<{ proxy: TcpProxy; url: string }>;
}

let stages = 0;

/**
 * Prepares a network that no other test uses.
 *
 * @param broker where it is, or its address
 * @param onEnd registers what has to be done when the test is over
 */
export async function prepareStage(
  broker: string | Pick<TestBroker, "url" | "shortestKeepaliveMs">,
  onEnd: (end: () => Promise<void>) => void,
): Promise<Stage> {
  const { url, shortestKeepaliveMs } =
    typeof broker === "string" ? { url: broker, shortestKeepaliveMs: 1_000 } : broker;
  stages += 1;
  const network = `lab-${stages}`;
  const home = (await newHome(onEnd)).path;
  const topic = (peer: string, channel: string) => `pilink/${network}/${peer}/${channel}`;
  const options = (name: string, part: Part = {}): EnterOptions => ({
    network,
    name,
    nameChosen: true,
    home,
    url,
    managed: false,
    folder: join("/projects", name),
    keepaliveMs: shortestKeepaliveMs,
    closingMs: 60_000,
    ...part,
  });
  const players = new Set<Peer>();
  const watchUntilEnd = (peer: Peer): Player => {
    players.add(peer);
    onEnd(() => peer.leave());
    return watch(peer);
  };
  /** Whoever has joined is not yet in everybody's roster: a test that goes on at once would race with its birth. */
  const untilKnown = async (name: string): Promise<void> => {
    const isBlind = (peer: Peer) => peer.state !== "active" || !peer.status().connected;
    const knows = (peer: Peer) => peer.roster().some((entry) => entry.name === name && entry.state === "online");
    // A test may have cut somebody off in a way that it does not notice yet.
    await eventually(() => [...players].every((peer) => isBlind(peer) || knows(peer)), { timeoutMs: 1_000 }).catch(
      () => undefined,
    );
  };
  return {
    network,
    url,
    home,
    otherHome: async () => (await newHome(onEnd)).path,
    options,
    create: async (name, part) => watchUntilEnd(await createNetwork(options(name, part))),
    async join(name, part) {
      const player = watchUntilEnd(await joinNetwork(options(name, part)));
      await untilKnown(player.peer.name);
      return player;
    },
    async process(special) {
      const peer = await startPeer(special);
      onEnd(() => peer.kill());
      return {
        ...peer,
        async join(entering) {
          const status = await peer.join(entering);
          await untilKnown(status.name);
          return status;
        },
      };
    },
    processOptions: (name, part = {}) => ({ ...options(name), ...part }),
    async raw(username, password) {
      const account = username === undefined || password === undefined ? {} : { username, password };
      const client = await rawMqtt(url, account);
      onEnd(() => client.close());
      await client.subscribe(`pilink/${network}/#`);
      return client;
    },
    topic,
    async proxy() {
      const proxy = await startTcpProxy(Number(new URL(url).port));
      onEnd(() => proxy.close());
      return { proxy, url: `mqtt://127.0.0.1:${proxy.port}` };
    },
  };
}

async function newHome(onEnd: (end: () => Promise<void>) => void) {
  const home = await temporaryHome();
  onEnd(() => home.remove());
  return home;
}

/** Notes everything a peer tells from now on. */
function watch(peer: Peer): Player {
  const told: Told[] = [];
  const waiting = new Set<() => void>();
  const note = (event: Told) => {
    told.push(event);
    for (const look of [...waiting]) look();
  };
  const { events } = peer;
  events.on("message", (value) => note({ name: "message", value }));
  events.on("joined", (value) => note({ name: "joined", value }));
  events.on("returned", (value) => note({ name: "returned", value }));
  events.on("departed", (value) => note({ name: "departed", value }));
  events.on("lost", (value) => note({ name: "lost", value }));
  events.on("suspended", (value) => note({ name: "suspended", value }));
  events.on("resumed", (value) => note({ name: "resumed", value }));
  events.on("closed", (value) => note({ name: "closed", value }));
  events.on("displaced", (value) => note({ name: "displaced", value }));
  events.on("connected", () => note({ name: "connected", value: undefined }));
  events.on("disconnected", (value) => note({ name: "disconnected", value }));
  events.on("sent", (value) => note({ name: "sent", value }));
  events.on("rejected", (value) => note({ name: "rejected", value }));
  events.on("trouble", (value) => note({ name: "trouble", value }));
  return {
    peer,
    told,
    async until(wanted, timeoutMs = 10_000) {
      const matches = typeof wanted === "string" ? (event: Told) => event.name === wanted : wanted;
      const { promise, resolve } = Promise.withResolvers<Told>();
      const look = () => {
        const found = told.find(matches);
        if (found !== undefined) resolve(found);
      };
      waiting.add(look);
      look();
      try {
        return await withinDeadline(promise, timeoutMs, () => {
          const seen = told.map(({ name, value }) => `  ${name} ${JSON.stringify(value)?.slice(0, 200)}`);
          return `"${peer.name}" (${peer.state}) did not tell ${wanted} within ${timeoutMs} ms, but:\n${seen.join("\n")}`;
        });
      } finally {
        waiting.delete(look);
      }
    },
    count: (name) => told.filter((event) => event.name === name).length,
    bodies: () => peer.inbox().map(({ body }) => body),
  };
}

/** The code of the error that a promise is rejected with, and its message. @throws Error where it is fulfilled */
export async function failureOf(promise: Promise<unknown>): Promise<{ code: ErrorCode; message: string }> {
  try {
    await promise;
  } catch (error) {
    if (error instanceof PilinkError) return error;
    throw error;
  }
  throw new Error("It was expected to fail, and did not.");
}

/** A complete envelope from one peer to another, as a program would publish it; `part` replaces fields. */
export function envelopeBetween(from: Peer, to: Peer, part: Partial<Envelope> = {}): Envelope {
  const id = newId();
  return {
    v: 1,
    id,
    net: to.net,
    from: from.name,
    fromEpoch: from.epoch,
    fromBox: from.box,
    to: to.name,
    toEpoch: to.epoch,
    toBox: to.box,
    re: null,
    type: "message",
    body: "hello",
    seq: 1,
    base: 1,
    at: Date.now(),
    trace: id,
    hops: 0,
    ...part,
  };
}

/** Matches the event that a message has reached a state, as its sender tells it. */
export function isSent(id: string | undefined, state: MessageState): (told: Told) => boolean {
  return (told) => told.name === "sent" && told.value.id === id && told.value.state === state;
}

/** Matches the receipts of a message, all or those of one state, as they pass on the wire. */
export function receiptOf(id: string | undefined, state?: MessageState): (message: RawMessage) => boolean {
  return ({ topic, text }) =>
    topic.endsWith("/receipts") &&
    text.includes(`"${id}"`) &&
    (state === undefined || text.includes(`"state":"${state}"`));
}
