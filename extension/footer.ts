import type { ExtensionContext } from "@earendil-works/pi-coding-agent";
import type { Peer } from "../peer/peer.ts";
import { count } from "../peer/texts.ts";
import { cutToWidth } from "./layout.ts";
import { isUnread } from "./reading.ts";

const key = "pilink";

// The footer is one line, which other extensions want a part of. Names may have 64 characters each.
const widthLimit = 60;
// So that all the rest fits into the 40 columns of the narrowest terminals.
const leastNameWidth = 5;
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
    const isIn = peer !== undefined && peer.state !== "left";
    // Pi cuts off what does not fit at the end of the line, and tells nobody how wide that is.
    const columns = ctx.mode === "tui" ? process.stdout.columns : undefined;
    const place = isIn ? describePlace(peer, columns) : undefined;
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

/**
 * Where an agent is. Where that is too long the names are shortened, and nothing else.
 *
 * @param columns of the terminal; as wide as a footer gets where nobody knows
 */
export function describePlace(peer: Peer, columns = widthLimit): Place {
  const { state } = peer;
  const { connected } = peer.status();
  const isWarning = state !== "active" || !connected;
  const number = peer.inbox().filter(isUnread).length;
  const unread = number === 0 ? "" : `${number > countedLimit ? `${countedLimit}+` : number} unread`;
  const standing = state !== "active" ? state : connected ? count(peer.roster().length, "agent") : "offline";
  const rest = [standing, unread].filter((part) => part !== "");
  const names = fitNames(peer, Math.min(columns, widthLimit) - ["", "", ...rest].join(separator).length);
  return { text: [...names, ...rest].join(separator), unread, isWarning };
}

/**
 * Shortens the network's name and the agent's, the longer one first. Names are made of letters that take one column each.
 *
 * @param width for both together
 */
function fitNames({ network, name }: Peer, width: number): string[] {
  const half = Math.max(leastNameWidth, Math.floor(width / 2));
  const forNetwork = Math.max(half, width - name.length);
  const forName = Math.max(half, width - Math.min(network.length, forNetwork));
  return [cutToWidth(network, forNetwork), cutToWidth(name, forName)];
}

function colourPlace({ text, unread, isWarning }: Place, theme: ExtensionContext["ui"]["theme"]): string {
  if (isWarning) return theme.fg("warning", text);
  if (unread === "") return theme.fg("dim", text);
  return theme.fg("dim", text.slice(0, text.length - unread.length)) + theme.fg("accent", unread);
}
