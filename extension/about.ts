import { randomBytes } from "node:crypto";
import type { Peer } from "../peer/peer.ts";
import { frameAbout } from "../protocol/frame.ts";
import type { Carried } from "./connection.ts";
import type { InjectionTarget } from "./injection.ts";

const aboutType = "pilink-about";

/**
 * Tells the model of a joiner what the host says that the network is about, once in each instance of it and without
 * starting a turn. A session that ended before a model request held it has not told it. The person has read it when the
 * network was joined, so it is not drawn. The caller makes sure that the session can take it.
 */
export function tellAbout({ aboutTold }: Carried, peer: Peer, { pi, ctx }: InjectionTarget): void {
  const { about, net, network } = peer;
  if (about === undefined || peer.kind === "host" || peer.state !== "active") return;
  const session = ctx.sessionManager.getSessionId();
  const told = aboutTold.get(net);
  if (told === "seen" || told === session) return;
  const isPresent = ctx.sessionManager
    .getBranch()
    .some((entry) => entry.type === "custom_message" && netOf(entry) === net);
  if (!isPresent) {
    const content = frameAbout({ network, host: peer.status().host, about }, () => randomBytes(6).toString("hex"));
    pi.sendMessage({ customType: aboutType, content, display: false, details: { net } }, { triggerTurn: false });
  }
  aboutTold.set(net, session);
}

/** These messages are about to go to the model. */
export function noteAboutSeen({ aboutTold }: Carried, messages: readonly object[]): void {
  for (const message of messages) {
    const net = netOf(message);
    if (net !== undefined && aboutTold.has(net)) aboutTold.set(net, "seen");
  }
}

function netOf(message: object): string | undefined {
  if (!("customType" in message) || message.customType !== aboutType || !("details" in message)) return undefined;
  const { details } = message;
  if (typeof details !== "object" || details === null || !("net" in details)) return undefined;
  return typeof details.net === "string" ? details.net : undefined;
}
