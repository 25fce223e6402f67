import { type EntryRenderer, keyText, type MessageRenderer, type Theme } from "@earendil-works/pi-coding-agent";
import { Box, type Component, Container, Text } from "@earendil-works/pi-tui";
import { count } from "../peer/texts.ts";
import { cleanLine, cleanText } from "../protocol/clean.ts";
import { bodyText } from "../protocol/frame.ts";
import type { Json } from "../protocol/json.ts";
import { splitDetails } from "./injection.ts";
import { describeMoment, type Folded, foldText, layLine } from "./layout.ts";
import { fieldsOf } from "./sent-states.ts";

// Folded as much as is read at a glance. Unfolded all of it, as long as a terminal draws that without a pause.
const foldedLimits = { lines: 10, characters: 4_000 } as const;
const openLimits = { lines: 2_000, characters: 60_000 } as const;

/** Draws messages from other agents: who wrote them and what, without the frame that the model reads. */
export const renderMessage: MessageRenderer = (message, { expanded }, theme) => {
  const drawn = new Container();
  for (const details of splitDetails(message.details)) {
    const box = new Box(1, 1, (line) => theme.bg("customMessageBg", line));
    box.addChild(new ReceivedMessage(readDetails(details), expanded, theme));
    drawn.addChild(box);
  }
  return drawn;
};

/** Draws the request to act on messages as one quiet line. */
export const renderGo: MessageRenderer = ({ details }, _options, theme) => {
  const fields = fieldsOf(details);
  const [ids, from] = [fields.get("ids"), fields.get("from")];
  const isKnown = Array.isArray(ids) && typeof from === "string";
  const what = isKnown ? `${count(ids.length, "message")} from ${cleanLine(from, 200)}` : "the messages above";
  return new Text(theme.fg("dim", `→ the model is asked to act on ${what}`), 1, 0);
};

/** Draws such a notice as Pi draws its own. */
export const renderNotice: EntryRenderer = ({ data }, _options, theme) => {
  const text = fieldsOf(data).get("text");
  return typeof text === "string" ? new Text(theme.fg("muted", cleanText(text)), 1, 0) : undefined;
};

/** Says how much of a text is not shown, and how to see it. */
export function describeHidden(
  hidden: NonNullable<Folded["hidden"]>,
  expanded: boolean,
  whereElse: string | undefined,
): string {
  const more = `… ${count(hidden.count, `more ${hidden.unit}`)}`;
  if (!expanded) return `${more} (${keyText("app.tools.expand")} shows all)`;
  return whereElse === undefined ? more : `${more}: ${whereElse}`;
}

interface Shown {
  id: string | undefined;
  from: string | undefined;
  role: string | undefined;
  isVerified: boolean;
  time: string;
  /** What it is beside a message. */
  marks: string[];
  /** What it answers, or undefined where it answers nothing. */
  answers: string | undefined;
  body: string;
}

class ReceivedMessage implements Component {
  readonly #shown: Shown;
  readonly #isOpen: boolean;
  readonly #theme: Theme;
  #drawn: { width: number; lines: string[] } | undefined;

  constructor(shown: Shown, isOpen: boolean, theme: Theme) {
    this.#shown = shown;
    this.#isOpen = isOpen;
    this.#theme = theme;
  }

  invalidate(): void {
    this.#drawn = undefined;
  }

  render(width: number): string[] {
    if (this.#drawn?.width !== width) this.#drawn = { width, lines: this.#draw(width) };
    return this.#drawn.lines;
  }

  #draw(width: number): string[] {
    const { id, body } = this.#shown;
    const theme = this.#theme;
    const { lines, hidden } = foldText(body, width, this.#isOpen ? openLimits : foldedLimits);
    const elsewhere = id === undefined ? undefined : `/pilink inbox ${id}`;
    return [
      this.#drawHead(width),
      ...this.#drawMarks(width),
      ...lines.map((line) => theme.fg("customMessageText", line)),
      ...(hidden === undefined ? [] : this.#drawHint(describeHidden(hidden, this.#isOpen, elsewhere), width)),
    ];
  }

  #drawHead(width: number): string {
    const { from, role, time } = this.#shown;
    const theme = this.#theme;
    const bright = (text: string) => theme.fg("customMessageLabel", theme.bold(text));
    return layLine(
      [
        { text: `← ${from ?? "unnamed sender"}`, style: bright, givesWay: 3 },
        { text: role === undefined ? "" : `(${role})`, style: (text) => theme.fg("muted", text), givesWay: 1 },
        { text: time, style: (text) => theme.fg("muted", text), givesWay: 2, isWhole: true },
      ],
      width,
    );
  }

  #drawMarks(width: number): string[] {
    const { isVerified, marks, answers } = this.#shown;
    const theme = this.#theme;
    if (isVerified && marks.length === 0 && answers === undefined) return [];
    const quiet = (text: string) => theme.fg("muted", text);
    return [
      layLine(
        [
          { text: isVerified ? "" : "unverified", style: (text) => theme.fg("warning", text) },
          { text: marks.join(" · "), style: quiet, givesWay: 2 },
          { text: answers === undefined ? "" : `answers ${answers}`, style: quiet, givesWay: 1 },
        ],
        width,
      ),
    ];
  }

  #drawHint(hint: string, width: number): string[] {
    return foldText(hint, width, foldedLimits).lines.map((line) => this.#theme.fg("muted", line));
  }
}

function readDetails(details: unknown): Shown {
  const fields = fieldsOf(details);
  const textOf = (name: string, limit: number) => {
    const value = fields.get(name);
    return typeof value === "string" && value !== "" ? cleanLine(value, limit) : undefined;
  };
  const [body, at] = [fields.get("body"), fields.get("at")];
  const [type, re, answered] = [textOf("type", 20) ?? "message", textOf("re", 64), textOf("answered", 200)];
  return {
    id: textOf("id", 64),
    from: textOf("from", 80),
    role: textOf("role", 100),
    isVerified: fields.get("verified") === true,
    time: typeof at === "number" ? describeMoment(at) : "",
    marks: [...(type === "message" ? [] : [type]), ...(fields.get("late") === true ? ["late"] : [])],
    answers: re === undefined ? undefined : answered === undefined ? re : `“${answered}”`,
    body: bodyText(isJson(body) ? body : ""),
  };
}

function isJson(value: unknown): value is Json {
  return value !== undefined && typeof value !== "function" && typeof value !== "symbol" && typeof value !== "bigint";
}
