import { isLoopback } from "../protocol/address.ts";
import { isPilinkError, PilinkError } from "../protocol/errors.ts";
import { newBox, newEpoch, newId } from "../protocol/ids.ts";
import type { Presence } from "../protocol/presence.ts";
import { formatTopic } from "../protocol/topics.ts";
import { protocolVersion } from "../protocol/version.ts";
import { HostRecords } from "./host-records.ts";
import { Link, type LinkOptions } from "./link.ts";
import { Wire } from "./wire.ts";

/** Which broker is looked at, as whom, and from whose place in which network. */
export interface Examinee {
  network: string;
  name: string;
  /** The life that is in the network under that name, or undefined where none is. */
  epoch: string | undefined;
  connection: Access;
  /** Whether the life of a record is provably dead. */
  isDead: (name: string, epoch: string) => Promise<boolean>;
}

/** How a broker is reached. */
export type Access = Pick<LinkOptions, "url" | "username" | "password" | "ca" | "keepaliveMs">;

/** A network's host, as it was found. */
export interface HostFinding {
  name: string;
  /** `dead` where its process on this machine has ended; `lost` where the broker says that its connection has. */
  state: "answers" | "silent" | "lost" | "dead";
  /** Own clock plus this is the host's, in milliseconds; where it answered. */
  clockOffsetMs: number | undefined;
}

/** What a look at a broker found. */
export interface Examination {
  /** Why there is no connection: then nothing else is known. */
  fault: PilinkError | undefined;
  /** What the broker calls itself, where it tells. */
  version: string | undefined;
  /** The first own topic on which nothing came back, or undefined where all work. */
  muteTopic: string | undefined;
  /** True where the broker gave a retained record to a wildcard subscription; false says nothing where none is held. */
  isRetaining: boolean;
  host: HostFinding | undefined;
  /** Whether the own record may be published and read; `unknown` where another life holds the name. */
  ownRecord: "works" | "missing" | "unknown";
}

/** How long each part may take, in milliseconds. */
const limits = { connectMs: 3_000, probeMs: 1_000, pingMs: 2_000, recordMs: 1_000, versionMs: 1_000 } as const;

// Retained records come after the SUBACK with nothing that marks their end (hazard 5).
const graceMs = { loopback: 250, network: 1_000 } as const;

const versionTopic = "$SYS/broker/version";

/**
 * Looks at a broker over a connection of its own that leaves nothing behind. It starts no broker and takes at most
 * about 7 s.
 */
export async function examineBroker(examinee: Examinee): Promise<Examination> {
  const { network, name, connection } = examinee;
  const found: Examination = {
    fault: undefined,
    version: undefined,
    muteTopic: undefined,
    isRetaining: false,
    host: undefined,
    ownRecord: "unknown",
  };
  const wire = new Wire(network, name, setupOptions(connection));
  try {
    await openWithin(wire.link, limits.connectMs);
    const look = new Look(examinee, wire, found);
    [found.version] = await Promise.all([askBrokerVersion(connection), look.run()]);
  } catch (error) {
    if (!isPilinkError(error)) throw error;
    found.fault = error;
  } finally {
    await wire.link.close();
  }
  return found;
}

/**
 * Asks a broker for its version, over a connection of its own. Mosquitto, EMQX and others tell it as a retained message
 * below `$SYS/`, which is no part of MQTT 3.1.1 (§4.7.2).
 *
 * @returns undefined where it does not tell, or not to this account, or not within a second
 */
export async function askBrokerVersion(connection: Access): Promise<string | undefined> {
  const told = Promise.withResolvers<string | undefined>();
  const link = new Link({
    ...setupOptions(connection),
    onMessage: ({ topic, payload }) => {
      if (topic === versionTopic) told.resolve(payload.toString("utf8"));
    },
  });
  try {
    await openWithin(link, limits.versionMs);
    const timer = setTimeout(() => told.resolve(undefined), limits.versionMs);
    // Where the subscription is refused nothing will come.
    link.subscribe([versionTopic]).catch(() => told.resolve(undefined));
    const version = await told.promise;
    clearTimeout(timer);
    return version;
  } catch (error) {
    if (!isPilinkError(error)) throw error;
    return undefined;
  } finally {
    await link.close();
  }
}

/** One look from one place in one network. */
class Look {
  readonly #examinee: Examinee;
  readonly #wire: Wire;
  readonly #found: Examination;
  readonly #epoch = newEpoch();
  readonly #hosts: HostRecords;
  readonly #records = new Map<string, Presence | undefined>();
  #onRecord: (() => void) | undefined;

  constructor(examinee: Examinee, wire: Wire, found: Examination) {
    this.#examinee = examinee;
    this.#wire = wire;
    this.#found = found;
    this.#hosts = new HostRecords(wire);
    wire.events.on("presence", (name, record, retained) => {
      this.#records.set(name, record);
      if (retained) found.isRetaining = true;
      this.#onRecord?.();
    });
  }

  /** @throws PilinkError `broker-forbids`, `connection-lost` */
  async run(): Promise<void> {
    const wire = this.#wire;
    await wire.subscribeOwn(["control", "receipts", "inbox"], "member");
    await wire.subscribePresence();
    this.#found.muteTopic = await this.#findMuteTopic();
    // Mosquitto 2.0.11 closes the connection of who publishes a second time what is forbidden.
    if (this.#found.muteTopic !== undefined) return;
    this.#found.host = await this.#findHost();
    this.#found.ownRecord = await this.#tryOwnRecord();
  }

  async #findMuteTopic(): Promise<string | undefined> {
    const { network, name } = this.#examinee;
    for (const channel of ["control", "receipts", "inbox"] as const) {
      if (await this.#wire.probe(channel, newId(), this.#epoch, limits.probeMs)) continue;
      return formatTopic(network, name, channel);
    }
    return undefined;
  }

  async #findHost(): Promise<HostFinding | undefined> {
    const { connection, isDead } = this.#examinee;
    await this.#hosts.untilFound(isLoopback(connection.url) ? graceMs.loopback : graceMs.network, undefined);
    const found = await Promise.all(
      this.#hosts.candidates().map(async ([name, record]): Promise<HostFinding> => {
        if (await isDead(name, record.epoch)) return { name, state: "dead", clockOffsetMs: undefined };
        const clockOffsetMs = await this.#ping(name, record);
        const state = clockOffsetMs !== undefined ? "answers" : record.state === "lost" ? "lost" : "silent";
        return { name, state, clockOffsetMs };
      }),
    );
    const order = ["answers", "silent", "lost", "dead"] as const;
    return found.sort((a, b) => order.indexOf(a.state) - order.indexOf(b.state))[0];
  }

  /** @returns how far the clock of the peer is ahead of the own one, or undefined where that life did not answer */
  async #ping(to: string, { epoch }: Presence): Promise<number | undefined> {
    const { name } = this.#examinee;
    const askedMs = Date.now();
    const ping = { v: protocolVersion, type: "ping", id: newId(), from: name, epoch: this.#epoch, net: null } as const;
    const answer = await this.#wire.ask(to, ping, limits.pingMs);
    if (answer?.type !== "pong" || answer.epoch !== epoch) return undefined;
    return Math.round(answer.at - (askedMs + Date.now()) / 2);
  }

  /**
   * The record of a life that is here must come as a retained one. Where none is here, an empty record tries the same
   * right and leaves nothing: it is handed to who is subscribed, and not kept (MQTT 3.1.1 §3.3.1.3). It is not tried
   * where somebody else's record is, which it would clear.
   */
  async #tryOwnRecord(): Promise<Examination["ownRecord"]> {
    const { name, epoch } = this.#examinee;
    const isThere = () => (epoch === undefined ? this.#records.has(name) : this.#records.get(name)?.epoch === epoch);
    if (epoch === undefined && this.#records.get(name) !== undefined) return "unknown";
    if (epoch === undefined) {
      this.#records.delete(name);
      await this.#wire.clearPresence(name);
    }
    return (await this.#untilRecord(isThere)) ? "works" : "missing";
  }

  #untilRecord(isThere: () => boolean): Promise<boolean> {
    return new Promise((resolve) => {
      const finish = (came: boolean) => {
        clearTimeout(timer);
        this.#onRecord = undefined;
        resolve(came);
      };
      const timer = setTimeout(() => finish(false), limits.recordMs);
      this.#onRecord = () => {
        if (isThere()) finish(true);
      };
      this.#onRecord();
    });
  }
}

/** A connection that keeps no session, has no will and is made once (topics.md, [MQTT-3]). */
function setupOptions({ url, username, password, ca, keepaliveMs }: Access): Omit<LinkOptions, "onMessage"> {
  return { url, username, password, ca, keepaliveMs, clientId: `pls${newBox()}`, clean: true };
}

/** @throws PilinkError as {@link Link.open}; `broker-unreachable` where it takes longer */
async function openWithin(link: Link, limitMs: number): Promise<void> {
  const opening = link.open();
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(
      () =>
        reject(
          new PilinkError(
            "broker-unreachable",
            `The broker ${link.address} did not answer within ${limitMs / 1000} s. Check the address, and that the broker runs and is not frozen.`,
            { value: link.address },
          ),
        ),
      limitMs,
    );
  });
  // What becomes of it once it is too late changes nothing any more.
  opening.catch(() => undefined);
  try {
    await Promise.race([opening, late]);
  } finally {
    clearTimeout(timer);
  }
}
