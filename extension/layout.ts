import { truncateToWidth, visibleWidth, wrapTextWithAnsi } from "@earendil-works/pi-tui";
import { describeClock } from "../peer/texts.ts";

/** A part of a line. */
export interface LinePart {
  /** Without escape sequences. */
  text: string;
  /** Colours the part once it has its width. */
  style: (text: string) => string;
  /** Which part gives way first where the line is too narrow: the lowest number. Without one it keeps its width. */
  givesWay?: number;
  /** True where a piece of it tells nothing: it is left out instead of being shortened. */
  isWhole?: boolean;
}

// A name of which less is left tells nothing.
const leastWidth = 3;

const reset = "\u001b[0m";

/**
 * Puts parts on one line of a terminal, with a space between them.
 *
 * @param parts what gives way is shortened, or left out where too little of it would remain
 * @param width in columns; the line is never wider
 */
export function layLine(parts: readonly LinePart[], width: number): string {
  const laid = parts.filter(({ text }) => text !== "").map((part) => ({ ...part, width: visibleWidth(part.text) }));
  const yielding = laid
    .filter(({ givesWay }) => givesWay !== undefined)
    .sort((a, b) => (a.givesWay ?? 0) - (b.givesWay ?? 0));
  const isTold = () => laid.filter((part) => part.width > 0);
  const surplus = () => isTold().reduce((sum, part) => sum + part.width, isTold().length - 1) - width;
  for (const part of yielding) {
    const over = surplus();
    if (over <= 0) break;
    const left = part.width - over;
    part.width = left < leastWidth || part.isWhole === true ? 0 : left;
  }
  const fixed = isTold();
  let left = width;
  const texts: string[] = [];
  for (const part of fixed) {
    const space = texts.length === 0 ? 0 : 1;
    const text = cutToWidth(part.text, Math.min(part.width, left - space));
    if (text === "") break;
    left -= visibleWidth(text) + space;
    texts.push(part.style(text));
  }
  return texts.join(" ");
}

/**
 * Shortens a text to a width, with a mark where something was left out. It cuts between what a reader sees as
 * characters, so that no emoji and no accent is torn.
 *
 * @param text on one line, without escape sequences
 * @param width in columns
 */
export function cutToWidth(text: string, width: number): string {
  if (width <= 0) return "";
  // Pi's function ends what it cut with a reset, which would end the colours around it too.
  return truncateToWidth(text, width, "…").replaceAll(reset, "");
}

/**
 * A moment in as few columns as possible: the time, or the day where it is another one.
 *
 * @param ms in milliseconds since 1970
 * @param nowMs the moment to compare with
 */
export function describeMoment(ms: number, nowMs = Date.now()): string {
  const moment = new Date(ms);
  if (moment.toDateString() === new Date(nowMs).toDateString()) return describeClock(ms);
  return moment.toLocaleDateString(undefined, { day: "numeric", month: "short" });
}

/** A text in lines of a width. */
export interface Folded {
  lines: string[];
  /** How many lines, or characters where that was too much to be put into lines, are not shown. */
  hidden: { count: number; unit: "line" | "character" } | undefined;
}

/** How much of a text is shown. */
export interface FoldLimits {
  lines: number;
  characters: number;
}

/**
 * Breaks a text into lines, and folds what is more than may be shown.
 *
 * @param text may hold line feeds and tabs, and no escape sequences
 * @param width in columns; no line is wider
 */
export function foldText(text: string, width: number, limits: FoldLimits): Folded {
  const begun = text.slice(0, limits.characters).toWellFormed();
  const all = wrapTextWithAnsi(begun.replaceAll("\t", "   "), Math.max(1, width));
  const lines = all.slice(0, limits.lines);
  const charactersOver = text.length - begun.length;
  const linesOver = all.length - lines.length;
  if (charactersOver > 0) {
    const shown = lines.reduce((sum, line) => sum + line.length, 0);
    return { lines, hidden: { count: Math.max(charactersOver, text.length - shown), unit: "character" } };
  }
  return { lines, hidden: linesOver === 0 ? undefined : { count: linesOver, unit: "line" } };
}
