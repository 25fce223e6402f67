import { cleanLine } from "../protocol/clean.ts";
import { decodeControl } from "../protocol/control.ts";
import { decodeInboxPayload } from "../protocol/envelope.ts";
import { isPilinkError, messageOf } from "../protocol/errors.ts";
import { bodyText } from "../protocol/frame.ts";
import type { Json } from "../protocol/json.ts";
import { decodeClosingMark, decodePresence } from "../protocol/presence.ts";
import { decodeReceipt } from "../protocol/receipt.ts";
import { everyone, parseTopic } from "../protocol/topics.ts";
import type { watchedKinds } from "./given.ts";
import type { Output } from "./output.ts";

/** What somebody published, as one line. `at` is when it was seen, in milliseconds since 1970. */
export interface Traffic {
  kind: (typeof watchedKinds)[number];
  at: number;
  network: string;
  from: string | null;
  to: string | null;
  /** The type of a message or of a control payload, the state of a receipt or a record. */
  what: string;
  /** The message that it is, or is about. */
  id: string | null;
  bytes: number;
  retained: boolean;
  re?: string | null;
  body?: Json;
  hops?: number;
  reason?: string;
  role?: string;
  /** Why it is no valid payload. */
  invalid?: string;
}

/** Which traffic is wanted. */
export interface TrafficFilter {
  peer: string | undefined;
  /** In lower case. */
  grep: string | undefined;
  kinds: ReadonlySet<Traffic["kind"]>;
}

const kindOf = { inbox: "messages", receipts: "receipts", presence: "presence", control: "control" } as const;

/** Reads what was published. @returns undefined for what is none of the protocol's topics, and for what clears a record */
export function readTraffic(
  { topic, payload, retained }: { topic: string; payload: Uint8Array; retained: boolean },
  nowMs = Date.now(),
): Traffic | undefined {
  let parsed: ReturnType<typeof parseTopic>;
  try {
    parsed = parseTopic(topic);
  } catch (error) {
    if (!isPilinkError(error)) throw error;
    return undefined;
  }
  const { network, peer, channel } = parsed;
  const common = {
    kind: kindOf[channel],
    at: nowMs,
    network,
    from: null,
    to: peer,
    id: null,
    bytes: payload.byteLength,
    retained,
  };
  if (payload.byteLength === 0) return undefined;
  // What somebody who enters publishes to find out whether it comes back, on whichever topic.
  if (isProbe(payload)) return { ...common, kind: "control", from: peer, what: "probe" };
  try {
    switch (channel) {
      case "inbox":
        return { ...common, ...readInbox(payload) };
      case "receipts": {
        const { from, state, id, reason } = decodeReceipt(payload);
        return { ...common, from, what: state, id, ...(reason === undefined ? {} : { reason }) };
      }
      case "presence": {
        if (peer === everyone) return { ...common, from: decodeClosingMark(payload).by, to: null, what: "closed" };
        const { state, kind, role } = decodePresence(payload);
        return {
          ...common,
          from: peer,
          to: null,
          what: kind === "host" ? `${state} (host)` : state,
          ...(role === undefined ? {} : { role }),
        };
      }
      case "control": {
        const control = decodeControl(payload);
        return { ...common, from: "from" in control ? control.from : null, what: control.type };
      }
    }
  } catch (error) {
    return { ...common, what: "invalid", invalid: messageOf(error) };
  }
}

function isProbe(payload: Uint8Array): boolean {
  try {
    return decodeControl(payload).type === "probe";
  } catch (error) {
    if (!isPilinkError(error)) throw error;
    return false;
  }
}

function readInbox(payload: Uint8Array): Pick<Traffic, "from" | "what" | "id" | "re" | "body" | "hops"> {
  const read = decodeInboxPayload(payload);
  const message = read.kind === "envelope" ? read.envelope : read.message;
  const { from = null, id = null, re = null, body, type = "message", hops } = message;
  return {
    from,
    what: read.kind === "envelope" ? type : `${type} by hand`,
    id,
    re,
    body,
    ...(hops === undefined ? {} : { hops }),
  };
}

/** Whether it is wanted. */
export function fits({ kind, from, to, body }: Traffic, { peer, grep, kinds }: TrafficFilter): boolean {
  if (!kinds.has(kind)) return false;
  if (peer !== undefined && from !== peer && to !== peer) return false;
  return grep === undefined || (body !== undefined && bodyText(body).toLowerCase().includes(grep));
}

/** One line for a person. */
export function describeTraffic(traffic: Traffic, output: Output): string {
  const { at, network, from, to, what, id, bytes, re, body, reason, role, invalid, retained } = traffic;
  const sender = from === null ? "?" : cleanLine(from, 64);
  const way = to === null ? sender : `${sender} → ${cleanLine(to, 64)}`;
  const details = [
    ...(id === null ? [] : [cleanLine(id, 64)]),
    ...(re === undefined || re === null ? [] : [`answers ${cleanLine(re, 64)}`]),
    ...(retained ? ["retained"] : []),
    describeSize(bytes),
  ];
  const told = [role, reason, invalid].flatMap((text) => (text === undefined ? [] : [cleanLine(text, 120)]));
  return [
    output.styled("dim", new Date(at).toTimeString().slice(0, 8)),
    output.styled("cyan", network),
    output.styled("bold", way),
    output.styled(lookOf(what), cleanLine(what, 40)),
    output.styled("dim", `(${details.join(", ")})`),
    ...told,
    ...(body === undefined ? [] : [cleanLine(bodyText(body), 200)]),
  ].join("  ");
}

function lookOf(what: string): "red" | "yellow" | "green" {
  if (/^(denied|expired|invalid|closed)/.test(what)) return "red";
  return /^(lost|left|.* by hand)/.test(what) ? "yellow" : "green";
}

function describeSize(bytes: number): string {
  return bytes < 1_024
    ? `${bytes} B`
    : bytes < 1_048_576
      ? `${(bytes / 1_024).toFixed(1)} KiB`
      : `${(bytes / 1_048_576).toFixed(1)} MiB`;
}
