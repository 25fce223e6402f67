import type { ExtensionContext } from "@earendil-works/pi-coding-agent";
import type { Peer } from "../peer/peer.ts";
import { count } from "../peer/texts.ts";
import { cutToWidth } from "./layout.ts";
import { isUnread } from "./reading.ts";

const key = "pilink";

// The footer is one line, which other extensions want a part of. Names may have 64 characters each.
const widthLimit = 32;
const leastNameWidth = 6;
const countedLimit = 99;
const separator = " · ";

/** What the footer needs of a session. */
export interface FooterContext {
  mode: ExtensionContext["mode"];
  ui: Pick<ExtensionContext["ui"], "setStatus" | "theme">;
}

/** The line in Pi's footer that says where this agent is. */
export class Footer {
  #ctx: FooterContext | undefined;
  #text: string | undefined;

  /**
   * Shows where this agent is, or nothing where it is in no network. What is shown already is not sent again, except to
   * a terminal: there it also has everything drawn anew, and with it the ticks of messages, which have no other way to
   * say that they have changed.
   */
  show(ctx: FooterContext, peer: Peer | undefined): void {
    const place = peer === undefined || peer.state === "left" ? undefined : describePlace(peer);
    if (ctx.mode !== "tui" && ctx === this.#ctx && place?.text === this.#text) return;
    this.#ctx = ctx;
    this.#text = place?.text;
    ctx.ui.setStatus(key, place === undefined || ctx.mode !== "tui" ? place?.text : colourPlace(place, ctx.ui.theme));
  }
}

/** What the footer says. */
export interface Place {
  text: string;
  /** The part of the text that says how many messages nobody has read, or nothing. */
  unread: string;
  /** True where something is not as it should be. */
  isWarning: boolean;
}

/** Where an agent is, in about 25 columns, and never more than the 40 of the narrowest terminals. */
export function describePlace(peer: Peer): Place {
  const { state } = peer;
  const { connected } = peer.status();
  const isWarning = state !== "active" || !connected;
  const agents = peer.roster().length;
  const number = peer.inbox().filter(isUnread).length;
  const unread = number === 0 ? "" : `${number > countedLimit ? `${countedLimit}+` : number} unread`;
  const standing = state !== "active" ? state : connected ? count(agents, "agent") : "offline";
  const full = [peer.network, peer.name, standing, unread];
  const short = [peer.network, peer.name, isWarning ? standing : String(agents), unread];
  const parts = widthOf(full) <= widthLimit ? full : fitNames(short);
  return { text: parts.filter((part) => part !== "").join(separator), unread, isWarning };
}

/** Shortens the network's name and the agent's, the longer one first. */
function fitNames([network = "", name = "", ...rest]: string[]): string[] {
  const left = widthLimit - widthOf(["", "", ...rest]) - 2 * separator.length;
  const half = Math.max(leastNameWidth, Math.floor(left / 2));
  const forNetwork = Math.max(half, left - name.length);
  const forName = Math.max(half, left - Math.min(network.length, forNetwork));
  return [cutToWidth(network, forNetwork), cutToWidth(name, forName), ...rest];
}

/** Names are made of letters that take one column each; so is everything else here. */
function widthOf(parts: readonly string[]): number {
  return parts.filter((part) => part !== "").join(separator).length;
}

function colourPlace({ text, unread, isWarning }: Place, theme: ExtensionContext["ui"]["theme"]): string {
  if (isWarning) return theme.fg("warning", text);
  if (unread === "") return theme.fg("dim", text);
  return theme.fg("dim", text.slice(0, text.length - unread.length)) + theme.fg("accent", unread);
}
