import type { ExtensionContext } from "@earendil-works/pi-coding-agent";
import type { Peer } from "../peer/peer.ts";
import { count } from "./texts.ts";

const key = "pilink";

/** Shows in the footer where this agent is, or nothing where it is in no network. */
export function showFooter(ctx: ExtensionContext, peer: Peer | undefined): void {
  if (peer === undefined || peer.state === "left") {
    ctx.ui.setStatus(key, undefined);
    return;
  }
  const { text, isWarning } = describeFooter(peer);
  ctx.ui.setStatus(key, isWarning && ctx.mode === "tui" ? ctx.ui.theme.fg("warning", text) : text);
}

function describeFooter(peer: Peer): { text: string; isWarning: boolean } {
  const { network, name, state } = peer;
  if (state !== "active") return { text: `${network} · ${name} · ${state}`, isWarning: true };
  const { connected, unread } = peer.status();
  const agents = count(peer.roster().length, "agent");
  const parts = [network, name, connected ? agents : "offline", ...(unread === 0 ? [] : [`${unread} unread`])];
  return { text: parts.join(" · "), isWarning: !connected };
}
