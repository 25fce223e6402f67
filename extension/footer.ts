import type { ExtensionContext } from "@earendil-works/pi-coding-agent";
import type { Peer } from "../peer/peer.ts";
import { isUnseen } from "./reading.ts";
import { count } from "./texts.ts";

const key = "pilink";

/** Shows in the footer where this agent is, or nothing where it is in no network. */
export function showFooter({ ui, mode }: ExtensionContext, peer: Peer | undefined): void {
  if (peer === undefined || peer.state === "left") {
    ui.setStatus(key, undefined);
    return;
  }
  const { text, isWarning } = describePlace(peer);
  ui.setStatus(key, isWarning && mode === "tui" ? ui.theme.fg("warning", text) : text);
}

/** The footer's text, and whether it is about something that is not as it should be. */
export function describePlace(peer: Peer): { text: string; isWarning: boolean } {
  const { network, name, state } = peer;
  const { connected } = peer.status();
  const isWell = state === "active" && connected;
  const place = state !== "active" ? state : connected ? count(peer.roster().length, "agent") : "offline";
  const unread = peer.inbox().filter(isUnseen).length;
  const parts = [network, name, place, ...(unread === 0 ? [] : [`${unread} unread`])];
  return { text: parts.join(" · "), isWarning: !isWell };
}
