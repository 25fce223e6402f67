import type { Control } from "../protocol/control.ts";
import type { Presence } from "../protocol/presence.ts";
import { protocolVersion } from "../protocol/version.ts";
import { type Grant, Grants } from "./grants.ts";
import type { Identity } from "./identity.ts";
import type { RosterChange } from "./roster.ts";
import type { Wire } from "./wire.ts";

/** What the duties of a host need of their surroundings. */
export interface HostingPort {
  identity: Identity;
  wire: Wire;
  about: string | undefined;
  /** Publishes the birth again. */
  announce(): Promise<void>;
  /** Whether a life of this name is in the roster, lost or not. */
  isHere(name: string): boolean;
  /** Whether the life that holds a name has provably ended. */
  isEnded(name: string, grant: Grant): Promise<boolean>;
  /** Takes a ghost's record from the broker, where that is permitted. */
  clear(name: string, presence: Presence): Promise<void>;
  nowMs(): number;
}

/** What only the host of a network does: grant names, answer claims and join requests (topics.md, "Entering a network"). */
export class Hosting {
  readonly #port: HostingPort;
  readonly #grants: Grants;

  constructor(port: HostingPort) {
    this.#port = port;
    this.#grants = new Grants(
      // Whoever asked to join and died before its birth is in nobody's roster, and is never found to be a ghost.
      async (name, grant) => (!port.isHere(name) && this.#grants.isStillborn(name)) || port.isEnded(name, grant),
      () => performance.now(),
    );
    const { name, epoch, box } = port.identity;
    this.#grants.adopt(name, { epoch, box });
  }

  /** Answers what members and newcomers ask. @throws PilinkError `connection-lost` */
  async answer(control: Control): Promise<void> {
    if (control.type === "claim") await this.#port.announce();
    else if (control.type === "join") await this.#answerJoin(control);
    else if (control.type === "whose") {
      await this.#reply(control.from, {
        type: "granted",
        re: control.id,
        name: control.name,
        to: this.grantOf(control.name),
      });
    }
  }

  /** The life that a name was granted to. */
  grantOf(name: string): Grant | null {
    return this.#grants.get(name) ?? null;
  }

  /** Keeps the granted names and the roster together. */
  note(change: RosterChange): void {
    const { name, presence } = change.life;
    if (change.kind === "departed") this.#grants.release(name, presence.epoch);
    else if (presence.state === "online") this.#grants.adopt(name, { epoch: presence.epoch, box: presence.box });
  }

  /** Takes the record of a ghost away: it left, and is no more. Where the broker forbids it, nothing happens. */
  async clearGhost(name: string, presence: Presence): Promise<void> {
    this.#grants.release(name, presence.epoch);
    await this.#port.clear(name, presence);
  }

  async #answerJoin(request: Extract<Control, { type: "join" }>): Promise<void> {
    const { from, epoch, box, former, id } = request;
    const offer = await this.#grants.request({ name: from, epoch, box, former });
    if (offer === undefined) {
      const { about } = this.#port;
      await this.#reply(from, {
        type: "joined",
        re: id,
        name: from,
        at: this.#port.nowMs(),
        ...(about === undefined ? {} : { about }),
      });
      return;
    }
    await this.#reply(from, {
      type: "refused",
      re: id,
      code: "name-taken",
      reason: `The name "${from}" is taken in the network "${this.#port.identity.network}".`,
      offer,
    });
  }

  #reply(to: string, answer: ReplyOf<"joined"> | ReplyOf<"refused"> | ReplyOf<"granted">): Promise<void> {
    const { name, epoch, net } = this.#port.identity;
    return this.#port.wire.publishControl(to, { v: protocolVersion, from: name, epoch, net, ...answer });
  }
}

type ReplyOf<Type extends Control["type"]> = Omit<Extract<Control, { type: Type }>, "v" | "from" | "epoch" | "net">;
