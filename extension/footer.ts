import type { ExtensionContext } from "@earendil-works/pi-coding-agent";
import type { Peer } from "../peer/peer.ts";
import { isUnread } from "./reading.ts";
import { count } from "./texts.ts";

const key = "pilink";

/** The line in Pi's footer that says where this agent is. */
export class Footer {
  #ctx: ExtensionContext | undefined;
  #text: string | undefined;

  /** Shows where this agent is, or nothing where it is in no network. What is shown already is not sent again. */
  show(ctx: ExtensionContext, peer: Peer | undefined): void {
    const place = peer === undefined || peer.state === "left" ? undefined : describePlace(peer);
    if (ctx === this.#ctx && place?.text === this.#text) return;
    this.#ctx = ctx;
    this.#text = place?.text;
    const isColoured = place?.isWarning === true && ctx.mode === "tui";
    ctx.ui.setStatus(key, isColoured ? ctx.ui.theme.fg("warning", place.text) : place?.text);
  }
}

/** The footer's text, and whether it is about something that is not as it should be. */
export function describePlace(peer: Peer): { text: string; isWarning: boolean } {
  const { network, name, state } = peer;
  const { connected } = peer.status();
  const place = state !== "active" ? state : connected ? count(peer.roster().length, "agent") : "offline";
  const unread = peer.inbox().filter(isUnread).length;
  const parts = [network, name, place, ...(unread === 0 ? [] : [`${unread} unread`])];
  return { text: parts.join(" · "), isWarning: state !== "active" || !connected };
}
