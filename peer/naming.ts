import { newId } from "../protocol/ids.ts";
import type { Presence } from "../protocol/presence.ts";
import { protocolVersion } from "../protocol/version.ts";
import { answerLimitMs } from "./entrance.ts";
import type { Grant } from "./grants.ts";
import type { Hosting } from "./hosting.ts";
import type { Identity } from "./identity.ts";
import type { Wire } from "./wire.ts";

/** Who carries a name, by the host's word: a record alone proves nothing, because anybody can publish one. */
export class Naming {
  readonly #identity: Identity;
  readonly #wire: Wire;
  readonly #hosting: Hosting | undefined;

  /** @param hosting where this peer is the host itself */
  constructor(identity: Identity, wire: Wire, hosting: Hosting | undefined) {
    this.#identity = identity;
    this.#wire = wire;
    this.#hosting = hosting;
  }

  /** @returns to whom the host granted a name; null for nobody, undefined where it does not answer */
  async grantOf(name: string): Promise<Grant | null | undefined> {
    if (this.#hosting !== undefined) return this.#hosting.grantOf(name);
    const { name: from, epoch, net, host } = this.#identity;
    const question = { v: protocolVersion, type: "whose", id: newId(), from, epoch, net, name } as const;
    const answer = await this.#wire.ask(host, question, answerLimitMs);
    return answer?.type === "granted" ? answer.to : undefined;
  }

  /** @returns false if the host says that the name is another life's */
  async mayCarry(name: string, record: Presence): Promise<boolean> {
    const grant = await this.grantOf(name);
    return grant === undefined || grant === null || grant.epoch === record.epoch;
  }
}
