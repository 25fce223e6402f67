import { isPrivateHost, parseAddress } from "../protocol/address.ts";
import { errorCodes, type PilinkError } from "../protocol/errors.ts";
import { formatTopic } from "../protocol/topics.ts";
import type { Examination } from "./examination.ts";
import type { FoundNetwork } from "./networks.ts";
import type { PeerStatus } from "./peer.ts";

/** One line of the doctor's report. */
export interface Check {
  name: string;
  verdict: "ok" | "warning" | "failed";
  /** What was found, for a person. */
  text: string;
  /** What to do about it. */
  wayOut?: string;
}

/** A managed broker that runs. */
export interface ManagedBroker {
  url: string;
  pid: number;
  version: string;
}

/** What is judged: which broker, and from whose place. */
export interface Place {
  /** The broker's address without credentials; undefined where none runs that could be looked at. */
  address: string | undefined;
  /** The managed broker that runs there. */
  managed: ManagedBroker | undefined;
  network: string | undefined;
  name: string;
  /** True where there is a user name for the broker. */
  hasAccount: boolean;
  /** True where this agent is in the network. */
  isJoined: boolean;
  /** The version of this package. */
  version: string;
}

const askForRights = "Ask whoever runs the broker for the access rules of topics.md.";

/**
 * A fault as a finding. The first sentence of its message says what is wrong, the rest is the way out.
 *
 * @param wayOut where the message has none
 */
export function judgeFault(
  name: string,
  { message }: PilinkError,
  wayOut = "Mend that, then run /pilink doctor again.",
): Check {
  const [, text = message, advice] = /^(.+?)[.](?: +(?=[A-Z])(.*))?$/s.exec(message) ?? [];
  return { name, verdict: "failed", text, wayOut: advice ?? wayOut };
}

/** @param found undefined where there is no broker to look at */
export function judgeBroker(place: Place, found: Examination | undefined): Check {
  const { address, managed, version, isJoined } = place;
  const name = "broker";
  if (found === undefined) return { name, verdict: "ok", text: "no broker runs; /pilink create starts one" };
  const { fault } = found;
  if (fault?.code === "broker-unreachable" && !isJoined && managed === undefined && isStartable(address)) {
    return { name, verdict: "ok", text: `nothing listens at ${address}; /pilink create starts a broker there` };
  }
  if (fault !== undefined && fault.code !== "broker-credentials") {
    const check = judgeFault(name, fault);
    if (managed === undefined) return check;
    const wayOut = "End it with /pilink server stop; /pilink server start starts it anew.";
    return { ...check, text: `${check.text} (managed, pid ${managed.pid})`, wayOut };
  }
  if (managed !== undefined) return judgeManaged(managed, version);
  const told = found.version === undefined ? "its version is not told" : found.version;
  const text = `${address} answers (external, ${told})`;
  const isOpen =
    address !== undefined && !parseAddress(address).isEncrypted && !isPrivateHost(parseAddress(address).host);
  if (!isOpen) return { name, verdict: "ok", text };
  return {
    name,
    verdict: "warning",
    text: `${text}; the way to it leads over the internet and is not encrypted`,
    wayOut: "Use an address with mqtts:// or wss://.",
  };
}

function judgeManaged({ url, pid, version }: ManagedBroker, own: string): Check {
  const text = `${url} answers (managed, pid ${pid}, version ${version})`;
  if (version === own) return { name: "broker", verdict: "ok", text };
  return {
    name: "broker",
    verdict: "warning",
    text: `${text}; this is version ${own}`,
    wayOut: "It is replaced once it has no clients: let every agent leave, then create the network again.",
  };
}

/**
 * The managed brokers that run beside the one that was looked at: agents on two of them do not see each other.
 *
 * @param running all that run in this home
 * @param used the one that was looked at, where it is managed
 */
export function judgeOthers(running: readonly ManagedBroker[], used: ManagedBroker | undefined): Check[] {
  const others = running.filter(({ pid }) => pid !== used?.pid);
  if (others.length === 0) return [];
  const list = others.map(({ url, pid }) => `${url} (pid ${pid})`);
  const text = `${others.length === 1 ? "another managed broker runs" : "other managed brokers run"} too: ${list.join(", ")}`;
  return [{ name: "brokers", verdict: "ok", text }];
}

/** @param found undefined where there is no broker to look at */
export function judgeAccount({ hasAccount }: Place, found: Examination | undefined): Check {
  const name = "credentials";
  const state = hasAccount ? "set" : "not set";
  if (found === undefined) return { name, verdict: "ok", text: `${state}; a managed broker needs none` };
  const { fault } = found;
  if (fault === undefined) {
    return { name, verdict: "ok", text: hasAccount ? `${state}, and accepted` : `${state}, and not needed` };
  }
  if (fault.code !== "broker-credentials") return { name, verdict: "ok", text: `${state}; not tried` };
  return {
    name,
    verdict: "failed",
    text: hasAccount ? "set, but the broker refuses them" : "not set, but the broker wants a user name and a password",
    wayOut: "Set PILINK_USERNAME and PILINK_PASSWORD to an account of that broker.",
  };
}

/** Whether what is published on the own topics comes back. */
export function judgeRights({ network, isJoined }: Place, { muteTopic, isRetaining }: Examination): Check {
  const name = "probe";
  if (muteTopic === undefined) {
    const retained = isRetaining ? ", and retained records come" : "";
    return { name, verdict: "ok", text: `what is published on the own topics comes back${retained}` };
  }
  const text = `nothing that was published on ${muteTopic} came back`;
  if (isJoined) return { name, verdict: "failed", text, wayOut: askForRights };
  const wayOut = `If the account is for one network or one agent, set PILINK_NETWORK or PILINK_NAME to it. ${askForRights}`;
  return { name, verdict: network === undefined ? "warning" : "failed", text, wayOut };
}

/** For a peer whose own connection is down while the broker can be reached. */
export function judgeLink({ connected }: Pick<PeerStatus, "connected">): Check[] {
  if (connected) return [];
  const wayOut = "It is tried again by itself; if it stays so, run /pilink leave and enter the network again.";
  return [{ name: "connection", verdict: "warning", text: "this agent's own connection is down", wayOut }];
}

/** The networks that are on the broker, for who is in none and wants no certain one. */
export function judgeNetworks(networks: readonly FoundNetwork[]): Check {
  const name = "host";
  const [first] = networks;
  if (first === undefined) {
    return { name, verdict: "ok", text: "no network is on this broker; /pilink create <network> creates one" };
  }
  const list = networks.map(
    ({ network, host, isOpen }) => `${network} (host ${host}${isOpen ? "" : ", which does not answer"})`,
  );
  const text = `this agent is in no network; there ${networks.length === 1 ? "is" : "are"} ${list.join(", ")}`;
  return { name, verdict: "ok", text: `${text}; /pilink join ${first.network}` };
}

/** @param status of the own peer, for who is in the network */
export function judgeHost({ network, isJoined }: Place, found: Examination, status: PeerStatus | undefined): Check[] {
  const name = "host";
  const { host, muteTopic } = found;
  // Without the right to ask nothing is known of the host.
  if (network === undefined || muteTopic !== undefined) return [];
  if (host === undefined || host.state === "dead") {
    if (isJoined) {
      const text = `the host of the network "${network}" has no record on the broker`;
      return [{ name, verdict: "failed", text, wayOut: "Run /pilink leave, then create or join the network again." }];
    }
    return [{ name, verdict: "ok", text: `there is no network "${network}"; /pilink create ${network} creates it` }];
  }
  const who = `"${host.name}" of the network "${network}"`;
  if (host.state === "answers") {
    const text = status?.kind === "host" ? `this agent is the host, ${who}` : `${who} answers`;
    if (status?.state !== "suspended") return [{ name, verdict: "ok", text }];
    return [{ name, verdict: "warning", text: `${text}, but the network is suspended`, wayOut: "Wait a moment." }];
  }
  if (host.state === "lost") {
    const wayOut = "Nothing can be sent until it returns; look at its terminal and its connection.";
    return [{ name, verdict: "warning", text: `${who} is offline`, wayOut }];
  }
  const wayOut = "It may be frozen or cut off: look at its terminal, or try again in a moment.";
  return [{ name, verdict: "failed", text: `${who} does not answer`, wayOut }];
}

/** For who was in a network that is closed. */
export function judgeEnded(network: string): Check {
  const wayOut = "Run /pilink setup to start or join a new one.";
  return {
    name: "host",
    verdict: "warning",
    text: `the network "${network}" that this agent was in has ended`,
    wayOut,
  };
}

/** Whether the own presence may be published. */
export function judgeOwnRecord({ network, name: peer, isJoined }: Place, found: Examination): Check[] {
  if (network === undefined || found.muteTopic !== undefined) return [];
  const name = "presence";
  const topic = formatTopic(network, peer, "presence");
  if (found.ownRecord === "works") {
    return [{ name, verdict: "ok", text: isJoined ? "the own record is on the broker" : `${topic} may be published` }];
  }
  if (found.ownRecord === "unknown") {
    const text = `not tried, because there is a record of another life on ${topic}`;
    return [{ name, verdict: "ok", text }];
  }
  const text = isJoined
    ? `the own record ${topic} is not on the broker`
    : `what was published on ${topic} did not come back`;
  return [{ name, verdict: "failed", text, wayOut: askForRights }];
}

// Times that are shown, and those after which messages end, are corrected by what was measured at joining.
const clockLimitMs = 5_000;

/**
 * How the own clock stands to the host's.
 *
 * @param offsetMs own clock plus this is the host's; undefined where the host did not tell
 * @param atJoinMs the same as it was measured at joining, and is counted with since
 */
export function judgeClock(offsetMs: number | undefined, atJoinMs: number | undefined): Check[] {
  if (offsetMs === undefined) return [];
  const name = "clock";
  const changedMs = Math.abs(offsetMs - (atJoinMs ?? offsetMs));
  if (changedMs > clockLimitMs) {
    const text = `one of the two clocks has been set since this agent joined: they are ${describeSpan(changedMs)} further apart or closer now`;
    return [{ name, verdict: "warning", text, wayOut: "Leave and join again: the difference is measured at joining." }];
  }
  if (Math.abs(offsetMs) <= clockLimitMs) {
    return [{ name, verdict: "ok", text: `differs from the host's by ${Math.abs(offsetMs)} ms` }];
  }
  const text = `${describeSpan(Math.abs(offsetMs))} ${offsetMs > 0 ? "behind" : "ahead of"} the host's clock`;
  const wayOut = "Messages are corrected by that; set the clock of one of the two machines (NTP) all the same.";
  return [{ name, verdict: "warning", text, wayOut }];
}

function describeSpan(ms: number): string {
  if (ms < 120_000) return `${Math.round(ms / 1_000)} s`;
  return ms < 7_200_000 ? `${Math.round(ms / 60_000)} min` : `${Math.round(ms / 3_600_000)} h`;
}

/** What was rejected since the join. */
export function judgeRejected({ rejected, network }: Pick<PeerStatus, "rejected" | "network">): Check {
  const name = "rejected";
  const meanings: Readonly<Record<string, string>> = errorCodes;
  const counted = Object.entries(rejected).filter(([, number]) => number > 0);
  if (counted.length === 0) return { name, verdict: "ok", text: "no payload was rejected" };
  const list = counted.map(([code, number]) => `${number} × ${code} (${meanings[code] ?? "unknown"})`);
  const wayOut = `Somebody publishes what is no message; to see it: mosquitto_sub -v -t 'pilink/${network}/#'.`;
  return { name, verdict: "warning", text: list.join(", "), wayOut };
}

function isStartable(address: string | undefined): boolean {
  return address === undefined || parseAddress(address).isStartable;
}
