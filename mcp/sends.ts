import { askAbout, type Doubt, declined, findDoubt, restrain, unasked } from "../peer/approval.ts";
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
    const { open, refused } = restrain(peer, this.#restraint, message);
    if (open.length === 0 && refused.length > 0) return { outcomes: refused };
    const doubt = await findDoubt(message.body, this.#chain.look().hops, preferences.confirm);
    if (doubt !== undefined) {
      const question = this.#settle(open, message.body, doubt, asking);
      if (question !== undefined) return { question };
    }
    for (const to of open) this.#restraint.note(to, message.body);
    const { body, re } = message;
    const to = message.to === "all" && refused.length === 0 ? "all" : open;
    const sent = await peer.send({ to, body, re, ...this.#chain.next(), signal });
    return { outcomes: [...sent, ...refused] };
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
