import { isLoopback, parseAddress } from "../protocol/address.ts";
import { type Control, decodeControl, encodeControl } from "../protocol/control.ts";
import { isPilinkError } from "../protocol/errors.ts";
import { newBox, newEpoch, newId } from "../protocol/ids.ts";
import { nameSchema } from "../protocol/names.ts";
import { decodeClosingMark, decodePresence, type Presence } from "../protocol/presence.ts";
import { everyone, formatTopic, parseTopic, topicRoot } from "../protocol/topics.ts";
import { protocolVersion } from "../protocol/version.ts";
import { readAuthorities } from "./certificate.ts";
import { type Delivered, Link } from "./link.ts";
import { defaults } from "./settings.ts";
import { isDeadHere } from "./state.ts";

/** Where to look for networks, and as whom. */
export interface SearchPlace {
  /** The folder of all state: it knows which hosts of this machine are dead. */
  home: string;
  url: string;
  username?: string | undefined;
  password?: string | undefined;
  /** A file with the certificates to trust instead of the system's. */
  ca?: string | undefined;
}

/** A network that was found on a broker. */
export interface FoundNetwork {
  network: string;
  host: string;
  /** True where the host answered just now; else it is offline, frozen or cut off, and nobody can join at the moment. */
  isOpen: boolean;
  /** How many agents are in it by their records, the host included. */
  agents: number;
  about: string | undefined;
}

// Retained records come after the SUBACK with nothing that marks their end: it is when none came for so long.
const quietMs = { loopback: 250, network: 1_000 } as const;
const collectLimitMs = 4_000;
// As long as a join request may take (topics.md, "Entering a network").
const answerLimitMs = 3_000;

/**
 * Finds the networks on a broker, over a connection of its own that leaves nothing behind. It starts no broker.
 *
 * @returns the networks whose host may live, by name; a host that is provably dead is none
 * @throws PilinkError `broker-*`, also `broker-forbids` where the broker lists nothing to this account, `bad-config`,
 *   `connection-lost`
 */
export function findNetworks(place: SearchPlace): Promise<FoundNetwork[]> {
  return lookAround(place, "+", async (search, link) => (await search.judge(link, deadIn(place))).map(describe));
}

/** An agent that was found in a network. */
export interface FoundAgent {
  name: string;
  record: Presence;
  isHost: boolean;
  /** True where it answered just now. */
  isAnswering: boolean;
}

/**
 * Finds who is in a network, as {@link findNetworks} does.
 *
 * @returns the host first, then by name; undefined where there is no such network
 * @throws PilinkError as {@link findNetworks}
 */
export function findAgents(place: SearchPlace, network: string): Promise<FoundAgent[] | undefined> {
  return lookAround(place, network, async (search, link) => {
    const [found] = await search.judge(link, deadIn(place));
    return found === undefined ? undefined : search.gather(link, found, deadIn(place));
  });
}

/** Whether the process of a life is provably dead. */
type Judge = (network: string, name: string, epoch: string) => Promise<boolean>;

function deadIn({ home }: SearchPlace): Judge {
  return (network, name, epoch) => isDeadHere(home, network, name, epoch);
}

/** Collects the records of one network or, with `+`, of all, and does something with them. */
async function lookAround<Found>(
  place: SearchPlace,
  level: string,
  work: (search: Search, link: Link) => Promise<Found>,
): Promise<Found> {
  const address = parseAddress(place.url);
  const username = place.username ?? address.username;
  const search = new Search(username);
  const link = new Link({
    url: address.url,
    username,
    password: place.password ?? address.password,
    ca: place.ca === undefined ? undefined : readAuthorities(place.ca),
    clientId: `pls${newBox()}`,
    clean: true,
    keepaliveMs: defaults.keepaliveMs,
    onMessage: (delivered) => search.note(delivered),
  });
  const startedMs = performance.now();
  try {
    await link.open();
    await link.subscribe([`${topicRoot}/${level}/+/presence`, `${topicRoot}/${level}/${search.name}/control`]);
    // A broker that takes long for this much is busy, and far away: what it sends next takes long as well.
    const tookMs = performance.now() - startedMs;
    await search.untilQuiet(Math.max(isLoopback(address.url) ? quietMs.loopback : quietMs.network, 3 * tookMs));
    return await work(search, link);
  } finally {
    await link.close();
  }
}

interface Host {
  name: string;
  record: Presence;
}

/** A network whose host may live. */
interface Living {
  network: string;
  host: Host & { isOpen: boolean };
  peers: Map<string, Presence>;
}

/** What came of one look at a broker. */
class Search {
  /** The peer level that answers come back to. */
  readonly name: string;
  readonly #epoch = newEpoch();
  readonly #records = new Map<string, Map<string, Presence>>();
  readonly #closed = new Set<string>();
  readonly #answers = new Map<string, (pong: Extract<Control, { type: "pong" }>) => void>();
  #lastMs = performance.now();

  /**
   * @param username where access is granted by peer, an account may read the topics of its own name only; where it is
   *   not, or there is no account, nobody joins under the name that is made up
   */
  constructor(username: string | undefined) {
    const own = nameSchema.safeParse(username);
    this.name = own.success ? own.data : `look-${newBox()}`;
  }

  note({ topic, payload }: Delivered): void {
    this.#lastMs = performance.now();
    // An empty record is one that was cleared.
    if (payload.byteLength === 0) return;
    try {
      const { network, peer, channel } = parseTopic(topic);
      if (channel === "control") this.#noteControl(decodeControl(payload));
      else if (peer === everyone) this.#closed.add(decodeClosingMark(payload).net);
      else {
        const peers = this.#records.get(network) ?? new Map<string, Presence>();
        this.#records.set(network, peers.set(peer, decodePresence(payload)));
      }
    } catch (error) {
      // Anybody can publish anything below these topics; what is no record tells of no network.
      if (!isPilinkError(error)) throw error;
    }
  }

  #noteControl(control: Control): void {
    if (control.type === "pong") this.#answers.get(control.re)?.(control);
  }

  untilQuiet(forMs: number): Promise<void> {
    const startedMs = performance.now();
    this.#lastMs = startedMs;
    return new Promise((resolve) => {
      const look = () => {
        const nowMs = performance.now();
        const leftMs = Math.min(this.#lastMs + forMs, startedMs + collectLimitMs) - nowMs;
        if (leftMs <= 0) resolve();
        else setTimeout(look, leftMs);
      };
      look();
    });
  }

  async judge(link: Link, isDead: Judge): Promise<Living[]> {
    const found = await Promise.all(
      [...this.#records].map(async ([network, peers]) => {
        const hosts: Host[] = [];
        for (const [name, record] of peers) {
          if (record.kind !== "host" || record.state === "left" || this.#closed.has(record.net)) continue;
          if (!(await isDead(network, name, record.epoch))) hosts.push({ name, record });
        }
        const answered = await Promise.all(
          hosts.map(async (host) => ({ ...host, isOpen: await this.#ping(link, network, host) })),
        );
        const [best] = answered.sort((a, b) => rank(a) - rank(b) || a.record.epoch.localeCompare(b.record.epoch));
        return best === undefined ? [] : [{ network, host: best, peers }];
      }),
    );
    return found.flat().sort((a, b) => a.network.localeCompare(b.network));
  }

  /** Who is in a network with its host. */
  async gather(link: Link, { network, host, peers }: Living, isDead: Judge): Promise<FoundAgent[]> {
    const found = await Promise.all(
      [...peers].map(async ([name, record]): Promise<FoundAgent[]> => {
        if (name === host.name) return [{ name, record, isHost: true, isAnswering: host.isOpen }];
        if (record.net !== host.record.net || record.state === "left") return [];
        if (await isDead(network, name, record.epoch)) return [];
        return [{ name, record, isHost: false, isAnswering: await this.#ping(link, network, { name, record }) }];
      }),
    );
    return found.flat().sort((a, b) => Number(b.isHost) - Number(a.isHost) || a.name.localeCompare(b.name));
  }

  /** True if the very life of the record answers. */
  async #ping(link: Link, network: string, { name, record }: Host): Promise<boolean> {
    const id = newId();
    const answered = new Promise<boolean>((resolve) => {
      const timer = setTimeout(() => resolve(false), answerLimitMs);
      timer.unref();
      this.#answers.set(id, ({ epoch }) => {
        if (epoch !== record.epoch) return;
        clearTimeout(timer);
        resolve(true);
      });
    });
    const ping = { v: protocolVersion, type: "ping", id, from: this.name, epoch: this.#epoch, net: null } as const;
    await link.publish(formatTopic(network, name, "control"), encodeControl(ping));
    return answered;
  }
}

function rank({ isOpen, record }: { isOpen: boolean; record: Presence }): number {
  return isOpen ? 0 : record.state === "online" ? 1 : 2;
}

function describe({ network, host, peers }: Living): FoundNetwork {
  const { name, record, isOpen } = host;
  const company = [...peers.values()].filter(({ net, state }) => net === record.net && state === "online");
  return { network, host: name, isOpen, agents: company.length, about: record.about };
}
