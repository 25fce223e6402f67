import { type ErrorCode, isPilinkError } from "../protocol/errors.ts";

/** What each exit code means; `pilink --help` and the README say the same. */
export const exitCodes = {
  done: 0,
  failed: 1,
  usage: 2,
  notYet: 3,
  refused: 4,
  noNetwork: 5,
  noBroker: 6,
  interrupted: 130,
} as const;

/** A code from {@link exitCodes}. */
export type ExitCode = (typeof exitCodes)[keyof typeof exitCodes];

/** The same in words, in the order of the codes. */
export const exitCodeMeanings: Readonly<Record<ExitCode, string>> = {
  0: "done",
  1: "it failed for another reason than those below",
  2: "the command line, or the configuration, is wrong",
  3: "not yet: what was sent is on its way, or nothing came in time",
  4: "refused, denied or expired: what was sent will not arrive, or the name is taken",
  5: "no network: none is joined, it is not there, its host does not answer, it is suspended or closed",
  6: "no broker: it cannot be reached, refuses the account or cannot be used",
  130: "interrupted",
};

const codes: Readonly<Record<ErrorCode, ExitCode>> = {
  "bad-name": exitCodes.usage,
  "bad-topic": exitCodes.failed,
  "bad-payload": exitCodes.usage,
  "bad-argument": exitCodes.usage,
  "bad-config": exitCodes.usage,
  "unknown-version": exitCodes.failed,
  "too-big": exitCodes.refused,
  "self-target": exitCodes.refused,
  "unknown-peer": exitCodes.refused,
  "not-joined": exitCodes.noNetwork,
  "network-suspended": exitCodes.noNetwork,
  "network-closed": exitCodes.noNetwork,
  "network-exists": exitCodes.refused,
  "network-not-found": exitCodes.noNetwork,
  "host-silent": exitCodes.noNetwork,
  "name-taken": exitCodes.refused,
  "name-displaced": exitCodes.refused,
  "not-approved": exitCodes.refused,
  "too-many": exitCodes.refused,
  blocked: exitCodes.refused,
  "outbox-full": exitCodes.refused,
  "inbox-full": exitCodes.failed,
  "state-unusable": exitCodes.failed,
  "broker-unreachable": exitCodes.noBroker,
  "broker-credentials": exitCodes.noBroker,
  "broker-certificate": exitCodes.noBroker,
  "broker-refused": exitCodes.noBroker,
  "broker-protocol": exitCodes.noBroker,
  "broker-not-mqtt": exitCodes.noBroker,
  "broker-no-retained": exitCodes.noBroker,
  "broker-forbids": exitCodes.noBroker,
  "broker-not-started": exitCodes.noBroker,
  "broker-stopped": exitCodes.noBroker,
  "connection-lost": exitCodes.noBroker,
  cancelled: exitCodes.interrupted,
};

/** The exit code for anything that was thrown. */
export function exitCodeOf(thrown: unknown): ExitCode {
  return isPilinkError(thrown) ? codes[thrown.code] : exitCodes.failed;
}
