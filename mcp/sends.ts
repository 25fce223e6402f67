import { askAbout, type Doubt, declined, findDoubt, restrain, sendRestrained, unasked } from "../peer/approval.ts";
import type { Chain } from "../peer/chain.ts";
import type { ModelMessage } from "../peer/model-tools.ts";
import type { SendOutcome } from "../peer/peer.ts";
import { Restraint } from "../peer/restraint.ts";
import type { Asking } from "./asking.ts";
import type { Seated } from "./seat.ts";

/** What came of a message: sent, or first a question to the person, after which the call comes again. */
export type Sent = { outcomes: SendOutcome[] } | { question: string };

/** The messages that the model of a client sends: within limits, and with the person's word where it is needed. */
export class Sends {
  readonly #chain: Chain;
  readonly #restraint = new Restraint();
  #isLoopDeclined = false;

  constructor(chain: Chain) {
    this.#chain = chain;
  }

  /**
   * Sends; see `Peer.send`.
   *
   * @param asking the person's answer, and whether there is a way to ask
   * @throws PilinkError `not-approved`; what `Peer.send` throws
   */
  async send({ peer, preferences }: Seated, message: ModelMessage, asking: Asking, signal: AbortSignal): Promise<Sent> {
    const asked = restrain(peer, this.#restraint, message);
    if (asked.open.length === 0 && asked.refused.length > 0) return { outcomes: asked.refused };
    const doubt = await findDoubt(message.body, this.#chain.look().hops, preferences.confirm);
    if (doubt !== undefined) {
      const question = this.#settle(asked.open, message.body, doubt, asking);
      if (question !== undefined) return { question };
    }
    const link = { ...this.#chain.next(), signal };
    return { outcomes: await sendRestrained(peer, this.#restraint, message, asked, link) };
  }

  /** @returns what to ask; undefined where the person has agreed */
  #settle(to: string[], body: string, doubt: Doubt, { canAsk, answer }: Asking): string | undefined {
    const { isOverLimit } = doubt;
    // The person is asked once, not for every try of the model; a chain that has run out is another one.
    if (!isOverLimit) this.#isLoopDeclined = false;
    else if (this.#isLoopDeclined) throw declined(to);
    if (!canAsk) throw unasked(to, doubt);
    if (answer === undefined) {
      const { title, text } = askAbout(to, body, doubt, 'You asked to see each message first ("confirm" is set).');
      return `${title}\n\n${text}`;
    }
    if (answer === "no") {
      if (isOverLimit) this.#isLoopDeclined = true;
      throw declined(to);
    }
    // The person has spoken: what was a chain of agents is the person's doing from here on (hazard 15).
    if (isOverLimit) this.#chain.restart();
    return undefined;
  }
}
