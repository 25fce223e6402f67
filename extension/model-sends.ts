import type { ExtensionContext } from "@earendil-works/pi-coding-agent";
import { askAbout, declined, findDoubt, restrain, sendRestrained, unasked } from "../peer/approval.ts";
import type { ModelMessage } from "../peer/model-tools.ts";
import type { Peer, SendOutcome } from "../peer/peer.ts";
import type { Preferences } from "../peer/preferences.ts";
import { Restraint } from "../peer/restraint.ts";
import { prepareSecrets } from "../peer/secrets.ts";
import { isAgreed } from "./question.ts";
import type { Reading } from "./reading.ts";

/** What the sending of a model's message needs of its surroundings. */
export interface SendScene {
  peer: Peer;
  preferences: Preferences;
  ctx: Pick<ExtensionContext, "hasUI"> & { ui: Pick<ExtensionContext["ui"], "select"> };
  signal: AbortSignal | undefined;
  /** Called with true when the person is asked, and with false when that is over. */
  onAsking(isAsking: boolean): void;
}

/** The messages that a model sends: within limits, and with the person's word where it is needed (topics.md, "Loops"). */
export class ModelSends {
  readonly #reading: Reading;
  readonly #restraint = new Restraint();

  constructor(reading: Reading) {
    this.#reading = reading;
  }

  /**
   * Sends; see `Peer.send`.
   *
   * @returns one outcome for each receiver, also for those that were refused here
   * @throws PilinkError `not-approved`; what `Peer.send` throws
   */
  async send(message: ModelMessage, scene: SendScene): Promise<SendOutcome[]> {
    const { peer, signal } = scene;
    const asked = restrain(peer, this.#restraint, message);
    if (asked.open.length === 0 && asked.refused.length > 0) return asked.refused;
    await this.#approve(asked.open, message.body, scene);
    return sendRestrained(peer, this.#restraint, message, asked, {
      ...this.#reading.next(),
      ...(signal === undefined ? {} : { signal }),
    });
  }

  /**
   * A run of the model has begun: what its first message needs is loaded while it thinks. What fails here fails again
   * with that message, and is told then.
   */
  prepare(): void {
    prepareSecrets().catch(() => undefined);
  }

  async #approve(to: string[], body: string, scene: SendScene): Promise<void> {
    const { preferences, ctx, signal } = scene;
    const doubt = await findDoubt(body, this.#reading.next().hops, preferences.confirm);
    if (doubt === undefined) return;
    const { isOverLimit } = doubt;
    if (isOverLimit && this.#reading.isLoopDeclined) throw declined(to);
    if (!ctx.hasUI) throw unasked(to, doubt);
    const hint = "You asked to see each message first (/pilink confirm off ends that).";
    const { title, text } = askAbout(to, body, doubt, hint);
    scene.onAsking(true);
    const question = { title, text, no: "do not send it", yes: "send it" };
    const mayGo = await isAgreed(ctx, question, signal).finally(() => scene.onAsking(false));
    if (!mayGo) {
      if (isOverLimit) this.#reading.declineLoop();
      throw declined(to);
    }
    // The person has spoken: what was a chain of agents is the person's doing from here on (hazard 15).
    if (isOverLimit) this.#reading.restart();
  }
}
