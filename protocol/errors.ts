/**
 * Every code a {@link PilinkError} can carry, with the sentence that documents it.
 * topics.md lists the same codes; a test holds the two together. A retired code is never used again.
 */
export const errorCodes = {
  "bad-name": "A network or peer name cannot be made into a slug, or is reserved.",
  "bad-topic": "A topic is none of this protocol.",
  "bad-payload": "A payload claims to be one of this protocol and does not fit its schema.",
  "bad-argument": "A command or call was given an argument that it cannot use.",
  "bad-config": "A configuration file cannot be read or holds a value that does not fit.",
  "unknown-version": "A payload's `v` is not one this program speaks.",
  "too-big": "A body is larger than 1 MiB, or its envelope larger than a packet may be.",
  "self-target": "A message was addressed to its own sender.",
  "unknown-peer": "No peer of that name is in the network.",
  "not-joined": "The call needs a network and none is joined.",
  "network-suspended": "The network's host is offline; nothing can be sent until it returns.",
  "network-closed": "The network has ended.",
  "network-exists": "A living host already answers for that network.",
  "network-not-found": "No host of that network is on this broker.",
  "host-silent": "The network's host is recorded but did not answer.",
  "name-taken": "A living peer holds that name.",
  "name-displaced": "Another life was granted this peer's name.",
  "not-approved": "The person did not let a message of the model go, or nobody could be asked.",
  "too-many": "A model sent the same text again within 10 s, or too many messages to one peer within a minute.",
  blocked: "The receiver's user takes no messages from that sender.",
  "outbox-full": "Too many messages, or too many bytes, wait for delivery.",
  "inbox-full": "Too many messages, or too many bytes, wait to be read.",
  "state-unusable": "The state folder cannot be read or written.",
  "broker-unreachable": "Nothing answers at the broker's address.",
  "broker-credentials": "The broker refused the user name or password.",
  "broker-certificate": "The broker's certificate is not trusted, not valid now, or for another host.",
  "broker-refused": "The broker refused the connection for another reason.",
  "broker-protocol": "The broker does not speak MQTT 3.1.1.",
  "broker-not-mqtt": "What listens at the address does not answer as an MQTT broker.",
  "broker-no-retained": "The broker does not deliver retained messages to a wildcard subscription.",
  "broker-forbids": "The broker does not let this account use a topic that it needs.",
  "broker-not-started": "The managed broker could not be started.",
  "broker-stopped": "The managed broker was stopped on purpose.",
  "connection-lost": "The connection to the broker ended before the call was done.",
  cancelled: "The person, or the caller, ended the call.",
} as const satisfies Record<string, string>;

/** A code from {@link errorCodes}. */
export type ErrorCode = keyof typeof errorCodes;

/** What a {@link PilinkError} may carry beside its code and message. */
export interface PilinkErrorOptions extends ErrorOptions {
  /** The value that broke the rule, as it was given. */
  value?: unknown;
}

/**
 * The one error that this project throws on purpose. Its message says what happened, with the
 * offending value, and what to do next.
 */
export class PilinkError extends Error {
  override readonly name = "PilinkError";
  readonly code: ErrorCode;
  readonly value: unknown;

  /**
   * @param code what kind of fault it is
   * @param message what happened and the way out, for a person
   * @param options the offending value and the cause, where there are any
   */
  constructor(code: ErrorCode, message: string, options: PilinkErrorOptions = {}) {
    super(message, options);
    this.code = code;
    this.value = options.value;
  }
}

/**
 * True for a {@link PilinkError}, also for one of another copy of this module: what Pi's /reload leaves running holds
 * the classes of before.
 */
export function isPilinkError(thrown: unknown): thrown is PilinkError {
  return (
    thrown instanceof Error &&
    thrown.name === "PilinkError" &&
    "code" in thrown &&
    Object.hasOwn(errorCodes, String(thrown.code))
  );
}

/**
 * Shortens a value for use inside an error message, and removes what a terminal would obey.
 *
 * @param value anything, also something that cannot be serialised
 * @param lengthLimit how many characters may remain
 * @returns printable text on one line
 */
export function quoteValue(value: unknown, lengthLimit = 80): string {
  let text: string;
  try {
    text = JSON.stringify(value) ?? String(value);
  } catch {
    // A cycle, a bigint, a revoked proxy: whatever looks into it may throw again.
    text = `[${typeof value}]`;
  }
  const shortened = text.length > lengthLimit ? `${text.slice(0, lengthLimit - 1)}…` : text;
  return shortened.replace(/[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]/gu, "\ufffd");
}

/** The message of anything that was thrown. */
export function messageOf(thrown: unknown): string {
  try {
    if (thrown instanceof Error) return thrown.message;
  } catch {
    // A revoked proxy cannot even be asked what it is.
  }
  return typeof thrown === "string" ? thrown : quoteValue(thrown);
}
