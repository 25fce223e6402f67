import type { EntryRenderer, ExtensionAPI, Theme } from "@earendil-works/pi-coding-agent";
import type { Component } from "@earendil-works/pi-tui";
import { cleanLine, cleanText } from "../protocol/clean.ts";
import { sentType } from "./drawing.ts";
import { describeMoment, foldText, layLine } from "./layout.ts";
import { describeHidden } from "./renderer.ts";
import { fieldsOf, type KeptOutcome, type KnownStates, presentState, readOutcomes } from "./sent-states.ts";
import { describeTick } from "./ticks.ts";

// A session keeps what is needed to know a message again; `pilink_send` and the outbox have the whole of it.
const keptCharactersLimit = 4_000;
const foldedLimits = { lines: 3, characters: 1_000 } as const;
const openLimits = { lines: 200, characters: keptCharactersLimit } as const;

/** A message that a person sent. */
export interface SentFacts {
  /** What the person sent it to. */
  to: string[] | "all";
  text: string;
  atMs: number;
  /** What has become of it so far, one for each receiver. */
  outcomes: readonly KeptOutcome[];
}

/**
 * Draws a message that a person sent in the transcript; its ticks move as receipts come. It never enters the model's
 * context.
 */
export function showSent(pi: Pick<ExtensionAPI, "appendEntry">, facts: SentFacts): void {
  const { to, text, atMs, outcomes } = facts;
  pi.appendEntry(sentType, { to, text: text.slice(0, keptCharactersLimit), length: text.length, atMs, outcomes });
}

/**
 * Draws the entries that `showSent` makes.
 *
 * @param recalled what messages of a former process had come to
 */
export function makeSentRenderer(recalled: KnownStates): EntryRenderer {
  return ({ data }, { expanded }, theme) => {
    const kept = readKept(data);
    return kept === undefined ? undefined : new SentLine(kept, { isOpen: expanded, recalled, theme });
  };
}

/** A message that was sent, as a session keeps it. */
interface Kept {
  label: string;
  text: string;
  /** The characters of the text that were not kept. */
  cutCharacters: number;
  time: string;
  outcomes: KeptOutcome[];
}

interface Look {
  isOpen: boolean;
  recalled: KnownStates;
  theme: Theme;
}

class SentLine implements Component {
  readonly #kept: Kept;
  readonly #look: Look;

  constructor(kept: Kept, look: Look) {
    this.#kept = kept;
    this.#look = look;
  }

  // Nothing is held from one drawing to the next: the states are those of the moment.
  invalidate(): void {}

  render(width: number): string[] {
    const { theme, isOpen } = this.#look;
    const inner = Math.max(1, width - 2);
    const outcomes = this.#kept.outcomes.map((outcome) => presentState(outcome, this.#look.recalled));
    const lines = [
      this.#drawHead(outcomes, inner),
      ...this.#drawText(inner),
      ...(isOpen && outcomes.length > 1 ? outcomes.map((outcome) => drawOutcome(outcome, theme, inner)) : []),
    ];
    return lines.map((line) => ` ${line}`);
  }

  #drawHead(outcomes: readonly KeptOutcome[], width: number): string {
    const { theme } = this.#look;
    const { label, time } = this.#kept;
    const tick = describeTick(outcomes.map(({ state }) => state));
    const [only] = outcomes;
    const reason = outcomes.length === 1 && only?.reason !== undefined ? `(${cleanLine(only.reason, 200)})` : "";
    const quiet = (text: string) => theme.fg("muted", text);
    return layLine(
      [
        { text: `→ ${label}`, style: (text) => theme.fg("customMessageLabel", theme.bold(text)), givesWay: 3 },
        { text: tick.text, style: (text) => theme.fg(tick.colour, text) },
        { text: reason, style: quiet, givesWay: 2 },
        { text: time, style: quiet, givesWay: 1, isWhole: true },
      ],
      width,
    );
  }

  #drawText(width: number): string[] {
    const { theme, isOpen } = this.#look;
    const { text, cutCharacters } = this.#kept;
    const { lines, hidden } = foldText(text, width, isOpen ? openLimits : foldedLimits);
    const left = hidden ?? (cutCharacters > 0 ? { count: cutCharacters, unit: "character" as const } : undefined);
    const hint = left === undefined ? [] : [describeHidden(left, isOpen && hidden === undefined, undefined)];
    return [
      ...lines.map((line) => theme.fg("text", line)),
      ...hint.flatMap((line) => foldText(line, width, foldedLimits).lines).map((line) => theme.fg("muted", line)),
    ];
  }
}

/** One line about one of several receivers. */
export function drawOutcome({ to, state, reason }: KeptOutcome, theme: Theme, width: number): string {
  const tick = describeTick([state]);
  return layLine(
    [
      { text: ` ${cleanLine(to, 80)}`, style: (text) => theme.fg("text", text), givesWay: 2 },
      { text: tick.text, style: (text) => theme.fg(tick.colour, text) },
      {
        text: reason === undefined ? "" : `(${cleanLine(reason, 200)})`,
        style: (text) => theme.fg("muted", text),
        givesWay: 1,
      },
    ],
    width,
  );
}

/** Whom a message went to, as short as that can be said. */
export function describeReceivers(to: unknown, number: number): string {
  if (to === "all") return `all (${number})`;
  const names = (Array.isArray(to) ? to : [to]).filter((name) => typeof name === "string");
  return names.map((name) => cleanLine(name, 80)).join(", ");
}

function readKept(data: unknown): Kept | undefined {
  const fields = fieldsOf(data);
  const outcomes = readOutcomes(fields.get("outcomes"));
  const [text, length, atMs] = [fields.get("text"), fields.get("length"), fields.get("atMs")];
  if (typeof text !== "string" || outcomes.length === 0) return undefined;
  return {
    label: describeReceivers(fields.get("to"), outcomes.length),
    text: cleanText(text).trimEnd(),
    cutCharacters: typeof length === "number" ? Math.max(0, length - text.length) : 0,
    time: typeof atMs === "number" ? describeMoment(atMs) : "",
    outcomes,
  };
}
