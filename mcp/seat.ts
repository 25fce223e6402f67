import { EventEmitter } from "node:events";
import { basename } from "node:path";
import { ensureBroker } from "../broker/managed.ts";
import { type ResolvedSettings, resolveSettings } from "../peer/config.ts";
import { type EnteredNetwork, enterNetwork } from "../peer/entering.ts";
import type { Peer } from "../peer/peer.ts";
import { type EnterKind, planEntering } from "../peer/plan.ts";
import type { Settings } from "../peer/settings.ts";
import { cleanLine } from "../protocol/clean.ts";
import { messageOf, PilinkError } from "../protocol/errors.ts";
import { makeName, parseName } from "../protocol/names.ts";

/** Where the server runs. */
export interface SeatPlaces {
  home: string;
  folder: string;
  env: Readonly<Record<string, string | undefined>>;
  flags: Settings;
  /** Tells the person something, on standard error. */
  log(text: string): void;
  /** Called with each peer that is in its network. @returns to be called when it is not any more */
  onSeated?(seated: Seated): Promise<() => Promise<void>>;
}

/** What a model asks for when it enters a network by a tool. */
export interface JoinRequest {
  network: string | undefined;
  name: string | undefined;
  role: string | undefined;
  create: boolean;
}

/** The events of a seat. */
export interface SeatEvents {
  /** A message came, or was read, or is unread again; or this agent is in another network. */
  inbox: [];
  /** Who is here changed. */
  roster: [];
  /** The network ended for this agent without its doing. */
  ended: [Seated];
  /** The network ended, or was left: what waits for a message waits in vain. */
  over: [];
}

/** A peer in its network, with what its person wants. */
export type Seated = Omit<EnteredNetwork, "notes">;

/** The place of one agent in at most one network: what the tools use, whoever chose the network. */
export class Seat {
  readonly events = new EventEmitter<SeatEvents>();
  readonly #places: SeatPlaces;
  readonly #fixed: boolean;
  #seated: Promise<Seated> | undefined;
  #peer: Peer | undefined;
  #dismiss: (() => Promise<void>) | undefined;
  #attempt = new AbortController();
  #ended: string | undefined;
  #isClosed = false;

  /**
   * @throws PilinkError `bad-config`, `bad-argument`: before the client is answered anything
   */
  constructor(places: SeatPlaces) {
    this.#places = places;
    const { values, sources, notes } = this.#settings({});
    // A network that only a file names is not entered unasked: the file may have come with a cloned repository.
    this.#fixed = values.network !== undefined && (sources.network === "flag" || sources.network === "environment");
    if (this.#fixed && values.network !== undefined) parseName(values.network, "network");
    if (values.name !== undefined) parseName(values.name);
    for (const note of notes) places.log(note);
    // Every request of the client may wait for a change.
    this.events.setMaxListeners(0);
  }

  /** True where the person chose the network when it set the server up: then a model does not join and leave. */
  get isFixed(): boolean {
    return this.#fixed;
  }

  /** Enters the network in the background, where the person chose one: its messages are taken from then on. */
  begin(): void {
    if (this.#fixed && !this.#isClosed) this.require().catch((error: unknown) => this.#places.log(messageOf(error)));
  }

  /**
   * The peer, which is entered first where that is needed.
   *
   * @param signal ends the wait for it, not the attempt
   * @throws PilinkError `not-joined` where nobody chose a network; what `enterNetwork` throws
   */
  async require(signal?: AbortSignal): Promise<Seated> {
    if (this.#seated === undefined) {
      if (!this.#fixed || this.#isClosed) {
        const ended = this.#ended === undefined ? "" : ` ${this.#ended}`;
        throw new PilinkError(
          "not-joined",
          `This agent is in no network.${ended} Ask your user which one, and call pilink_join; or your user sets one up with "pilink mcp --network <network>".`,
        );
      }
      this.#take(this.#enter("either", {}, false));
    }
    const { promise: aborted, reject } = Promise.withResolvers<never>();
    const abort = () => reject(new PilinkError("cancelled", "The client gave the call up."));
    signal?.addEventListener("abort", abort, { once: true });
    try {
      return await Promise.race([this.#seated ?? aborted, aborted]);
    } finally {
      signal?.removeEventListener("abort", abort);
    }
  }

  /** The peer where there is one at this moment. */
  async current(): Promise<Seated | undefined> {
    return this.#seated?.catch(() => undefined);
  }

  /**
   * Enters a network that a model's user named.
   *
   * @throws PilinkError `bad-argument` while this agent is in one; what `enterNetwork` throws
   */
  async join({ network, name, role, create }: JoinRequest): Promise<Seated> {
    const present = await this.current();
    if (present !== undefined) {
      throw new PilinkError(
        "bad-argument",
        `This agent is "${present.peer.name}" in the network "${present.peer.network}". Call pilink_leave first.`,
      );
    }
    const flags: Settings = {};
    for (const [key, value] of Object.entries({ network, name, role })) {
      if (value !== undefined) Object.assign(flags, { [key]: value });
    }
    const entering = this.#enter(create ? "either" : "join", flags, name !== undefined);
    this.#take(entering);
    return entering;
  }

  /**
   * Leaves the network.
   *
   * @returns the peer that left; undefined where there was none
   */
  async leave(): Promise<Peer | undefined> {
    this.#attempt.abort();
    const seated = await this.current();
    this.#seated = undefined;
    this.#ended = undefined;
    this.events.emit("over");
    await this.#vacate();
    return seated?.peer;
  }

  /** Leaves for good. Idempotent. */
  async close(): Promise<void> {
    this.#isClosed = true;
    await this.leave();
  }

  /** Waits until the last peer is gone, also one whose network closed: it holds the name until it has left. */
  async #vacate(): Promise<void> {
    const dismiss = this.#dismiss;
    this.#dismiss = undefined;
    await this.#peer?.leave();
    await dismiss?.();
  }

  #take(entering: Promise<Seated>): void {
    this.#seated = entering;
    entering.then(
      () => this.events.emit("inbox"),
      () => {
        if (this.#seated === entering) this.#seated = undefined;
      },
    );
  }

  #settings(flags: Settings): ResolvedSettings {
    const { home, folder, env } = this.#places;
    // Nobody was asked about the folder: the client of this server has its own ways to trust one.
    return resolveSettings({ home, folder, trust: "implied", env, flags: { ...this.#places.flags, ...flags } });
  }

  async #enter(kind: EnterKind, flags: Settings, isNameChosen: boolean): Promise<Seated> {
    const { home, folder, log } = this.#places;
    const { values } = this.#settings(flags);
    const plan = planEntering({
      kind,
      home,
      folder,
      // What stands in a client's configuration holds for each of its sessions: the second one gets "-2".
      settled: { values, isNameChosen },
      usualName: makeName(basename(folder)),
      missing: "Which network? Ask your user, and give its name as network.",
    });
    this.#attempt = new AbortController();
    await this.#vacate();
    const { notes, ...seated } = await enterNetwork(plan, {
      ensureBroker,
      onWaiting: (reason, forMs) => log(`${reason} (at most ${Math.ceil(forMs / 1_000)} s)`),
      signal: this.#attempt.signal,
    });
    const { peer } = seated;
    log(`This agent is "${peer.name}" in the network "${peer.network}" (${peer.kind}).`);
    for (const note of notes) log(note);
    this.#ended = undefined;
    this.#peer = peer;
    this.#follow(seated);
    try {
      this.#dismiss = await this.#places.onSeated?.(seated);
    } catch (error) {
      // What goes along with a peer is no reason to have none.
      log(messageOf(error));
    }
    return seated;
  }

  #follow(seated: Seated): void {
    const { peer } = seated;
    const { events } = peer;
    const end = (reason: string) => {
      if (this.#peer !== peer) return;
      const text = cleanLine(reason, 300);
      this.#places.log(`The network "${peer.network}": ${text}`);
      this.#ended = `The network "${peer.network}" that it was in has ended for it: ${text}`;
      this.#seated = undefined;
      this.events.emit("ended", seated);
      this.events.emit("over");
      this.#vacate().catch((error: unknown) => this.#places.log(messageOf(error)));
    };
    events.on("message", () => this.events.emit("inbox"));
    events.on("roster", () => this.events.emit("roster"));
    events.on("closed", ({ reason }) => end(reason));
    events.on("displaced", (error) => end(error.message));
    events.on("trouble", (error) => this.#places.log(error.message));
    events.on("suspended", ({ host }) => this.#places.log(`The network's host "${host}" is offline.`));
    events.on("resumed", ({ host }) => this.#places.log(`The network's host "${host}" is back.`));
  }
}
