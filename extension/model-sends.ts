import type { ExtensionContext } from "@earendil-works/pi-coding-agent";
import type { Peer, SendOutcome } from "../peer/peer.ts";
import { Restraint } from "../peer/restraint.ts";
import { findSecret } from "../peer/secrets.ts";
import { cleanText } from "../protocol/clean.ts";
import { hopsLimit } from "../protocol/envelope.ts";
import { PilinkError } from "../protocol/errors.ts";
import type { Preferences } from "./preferences.ts";
import type { Reading } from "./reading.ts";

// What a person reads before it decides; the rest is told as a number.
const shownCharactersLimit = 2_000;

/** What a model wants to send. */
export interface ModelMessage {
  to: string[] | "all";
  body: string;
  re: string | null;
}

/** What the sending of a model's message needs of its surroundings. */
export interface SendScene {
  peer: Peer;
  preferences: Preferences;
  ctx: Pick<ExtensionContext, "hasUI" | "ui">;
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
    const others = peer.roster().flatMap(({ name, isSelf }) => (isSelf ? [] : [name]));
    const receivers = message.to === "all" ? others : [...new Set(message.to)];
    const refused = receivers.flatMap((to): SendOutcome[] => {
      const error = this.#restraint.check(to, message.body);
      return error === undefined ? [] : [{ to, id: undefined, state: "refused", reason: error.message, error }];
    });
    const open = receivers.filter((name) => !refused.some(({ to }) => to === name));
    if (open.length === 0 && refused.length > 0) return refused;
    await this.#approve(open, message.body, scene);
    for (const to of open) this.#restraint.note(to, message.body);
    const sent = await peer.send({
      to: message.to === "all" && refused.length === 0 ? "all" : open,
      body: message.body,
      re: message.re,
      ...this.#reading.next(),
      ...(signal === undefined ? {} : { signal }),
    });
    return [...sent, ...refused];
  }

  async #approve(to: string[], body: string, scene: SendScene): Promise<void> {
    const { preferences, ctx, signal } = scene;
    const secret = await findSecret(body);
    const { hops } = this.#reading.next();
    const isOverLimit = hops > hopsLimit;
    if (secret === undefined && !isOverLimit && !preferences.confirm) return;
    const receivers = to.map((name) => `"${name}"`).join(", ");
    if (isOverLimit && this.#reading.isLoopDeclined) throw declined(receivers);
    if (!ctx.hasUI) throw unasked(receivers, secret, isOverLimit);
    const why =
      secret !== undefined
        ? `It holds what looks like ${secret}.`
        : isOverLimit
          ? `Agents have passed messages on ${hops} times without a word of yours. If you agree, they go on.`
          : "You asked to see each message first (/pilink confirm off ends that).";
    scene.onAsking(true);
    const shown = cleanText(body.slice(0, shownCharactersLimit));
    const rest = body.length - shownCharactersLimit;
    const text = `${why}\n\n${shown}${rest > 0 ? `\n… and ${rest} more characters` : ""}`;
    const isAgreed = await ctx.ui
      .confirm(`Let the model send this to ${receivers}?`, text, signal === undefined ? {} : { signal })
      .finally(() => scene.onAsking(false));
    if (!isAgreed) {
      if (isOverLimit) this.#reading.declineLoop();
      throw declined(receivers);
    }
    // The person has spoken: what was a chain of agents is the person's doing from here on (hazard 15).
    if (isOverLimit) this.#reading.restart();
  }
}

function declined(receivers: string): PilinkError {
  return new PilinkError(
    "not-approved",
    `Your user did not let this message to ${receivers} go; nothing was sent. Do not send it again in other words: tell your user what you wanted to say and why.`,
  );
}

function unasked(receivers: string, secret: string | undefined, isOverLimit: boolean): PilinkError {
  const why =
    secret !== undefined
      ? `it holds what looks like ${secret}. Leave that out`
      : isOverLimit
        ? `agents have passed messages on more than ${hopsLimit} times without a word of a person. End here`
        : "each message has to be approved by your user (confirm is on). End here";
  return new PilinkError(
    "not-approved",
    `Nothing was sent to ${receivers}: ${why}; nobody can be asked in this session.`,
  );
}
