import { cleanText } from "../protocol/clean.ts";
import { hopsLimit } from "../protocol/envelope.ts";
import { PilinkError } from "../protocol/errors.ts";
import { everybody } from "../protocol/names.ts";
import type { ModelMessage } from "./model-tools.ts";
import type { Outgoing, Peer, SendOutcome } from "./peer.ts";
import type { Restraint } from "./restraint.ts";
import { findSecret } from "./secrets.ts";

// What a person reads before it decides; the rest is told as a number.
const shownCharactersLimit = 2_000;

/** A message of a model, as far as a limit lets it go. */
export interface Restrained {
  /** Those it may go to. */
  open: string[];
  /** Those it may not go to, with the reason. */
  refused: SendOutcome[];
}

/** Separates the receivers of a model's message by whether they may get it now (topics.md, "Loops", [SESS-13]). */
export function restrain(peer: Pick<Peer, "roster">, restraint: Restraint, message: ModelMessage): Restrained {
  const others = peer.roster().flatMap(({ name, isSelf }) => (isSelf ? [] : [name]));
  const receivers = message.to === "all" ? others : [...new Set(message.to)];
  const refused = receivers.flatMap((to): SendOutcome[] => {
    const error = restraint.check(to, message.body);
    return error === undefined ? [] : [{ to, id: undefined, state: "refused", reason: error.message, error }];
  });
  return { open: receivers.filter((name) => !refused.some(({ to }) => to === name)), refused };
}

/**
 * Sends a message of a model once nothing is in its way any more. Tools run side by side, and a person takes time to
 * answer: others may have been sent, and peers may have joined, since the receivers were separated.
 *
 * @param asked what {@link restrain} gave, and the person was asked about
 * @param link what the message carries on, and what ends the waiting
 * @returns one outcome for each receiver, also for those that were refused
 * @throws PilinkError what `Peer.send` throws
 */
export async function sendRestrained(
  peer: Pick<Peer, "roster" | "send">,
  restraint: Restraint,
  { body, re }: ModelMessage,
  asked: Restrained,
  link: Pick<Outgoing, "hops" | "trace" | "signal">,
): Promise<SendOutcome[]> {
  const { open, refused: late } = restrain(peer, restraint, { to: asked.open, body, re });
  const refused = [...asked.refused, ...late];
  if (open.length === 0 && refused.length > 0) return refused;
  for (const to of open) restraint.note(to, body);
  // To "all" where nobody is here says that.
  const sent = await peer.send({ to: open.length === 0 ? everybody : open, body, re, ...link });
  return [...sent, ...refused];
}

/** Why a person has to agree before a message of a model goes (topics.md, "Loops", [SESS-11]). */
export interface Doubt {
  /** What it looks like it holds, without the secret itself. */
  secret: string | undefined;
  hops: number;
  isOverLimit: boolean;
}

/**
 * Looks whether a person has to agree before a message of a model goes.
 *
 * @param confirm true where the person wants to see each message
 * @returns undefined where it can go without
 */
export async function findDoubt(body: string, hops: number, confirm: boolean): Promise<Doubt | undefined> {
  const secret = await findSecret(body);
  const isOverLimit = hops > hopsLimit;
  return secret === undefined && !isOverLimit && !confirm ? undefined : { secret, hops, isOverLimit };
}

/**
 * What a person is asked.
 *
 * @param confirmHint why it is asked where the message itself gives no reason
 */
export function askAbout(
  to: readonly string[],
  body: string,
  { secret, hops, isOverLimit }: Doubt,
  confirmHint: string,
): { title: string; text: string } {
  const why =
    secret !== undefined
      ? `It holds what looks like ${secret}.`
      : isOverLimit
        ? `Agents have passed messages on ${hops} times without a word of yours. If you agree, they go on.`
        : confirmHint;
  const shown = cleanText(body.slice(0, shownCharactersLimit));
  const rest = body.length - shownCharactersLimit;
  return {
    title: `Let the model send this to ${quoteNames(to)}?`,
    text: `${why}\n\n${shown}${rest > 0 ? `\n… and ${rest} more characters` : ""}`,
  };
}

/** What a model is told where its person did not agree. */
export function declined(to: readonly string[]): PilinkError {
  return new PilinkError(
    "not-approved",
    `Your user did not let this message to ${quoteNames(to)} go; nothing was sent. Do not send it again in other words: tell your user what you wanted to say and why.`,
  );
}

/** What a model is told where nobody can be asked. */
export function unasked(to: readonly string[], { secret, isOverLimit }: Doubt): PilinkError {
  const why =
    secret !== undefined
      ? `it holds what looks like ${secret}. Leave that out`
      : isOverLimit
        ? `agents have passed messages on more than ${hopsLimit} times without a word of a person. End here`
        : "each message has to be approved by your user (confirm is on). End here";
  return new PilinkError(
    "not-approved",
    `Nothing was sent to ${quoteNames(to)}: ${why}; nobody can be asked in this session.`,
  );
}

function quoteNames(names: readonly string[]): string {
  return names.map((name) => `"${name}"`).join(", ");
}
