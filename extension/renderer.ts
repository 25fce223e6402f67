import type { MessageRenderer } from "@earendil-works/pi-coding-agent";
import { Box, Text } from "@earendil-works/pi-tui";
import { cleanLine } from "../protocol/clean.ts";
import { bodyText } from "../protocol/frame.ts";
import type { Json } from "../protocol/json.ts";

// As much as is read at a glance; the whole is shown when the transcript is expanded.
const foldedLinesLimit = 12;
const foldedCharactersLimit = 2_000;

/** Draws a message from another agent: who wrote it and what, without the frame that the model reads. */
export const renderMessage: MessageRenderer = (message, { expanded }, theme) => {
  const shown = readDetails(message.details);
  const { text, isFolded } = expanded ? { text: shown.body, isFolded: false } : fold(shown.body);
  const sender = theme.fg("customMessageLabel", theme.bold(`${shown.from ?? "unnamed"} →`));
  const marks = shown.marks.map((mark) => theme.fg(mark === unverifiedMark ? "warning" : "dim", mark));
  const lines = [
    [sender, ...marks].join(" "),
    theme.fg("customMessageText", text),
    ...(isFolded ? [theme.fg("dim", "… expand to read on")] : []),
  ];
  const box = new Box(1, 1, (line) => theme.bg("customMessageBg", line));
  box.addChild(new Text(lines.join("\n"), 0, 0));
  return box;
};

/** Draws the request to act on messages as one quiet line. */
export const renderGo: MessageRenderer = (_message, _options, theme) =>
  new Text(theme.fg("dim", "→ the model is asked to act on the messages above"), 1, 0);

const unverifiedMark = "unverified";

interface Shown {
  from: string | undefined;
  marks: string[];
  body: string;
}

function readDetails(details: unknown): Shown {
  const fields = new Map(typeof details === "object" && details !== null ? Object.entries(details) : []);
  const textOf = (name: string) => {
    const value: unknown = fields.get(name);
    return typeof value === "string" ? cleanLine(value, 80) : undefined;
  };
  const body: unknown = fields.get("body");
  const at: unknown = fields.get("at");
  const type = textOf("type") ?? "message";
  return {
    from: textOf("from"),
    marks: [
      ...(fields.get("verified") === true ? [] : [unverifiedMark]),
      ...(type === "message" ? [] : [type]),
      ...(textOf("re") === undefined ? [] : ["answer"]),
      ...(fields.get("late") === true ? ["late"] : []),
      ...(typeof at === "number" ? [new Date(at).toLocaleTimeString([], { hour: "2-digit", minute: "2-digit" })] : []),
    ],
    body: bodyText(isJson(body) ? body : ""),
  };
}

function fold(body: string): { text: string; isFolded: boolean } {
  const text = body.slice(0, foldedCharactersLimit).split("\n").slice(0, foldedLinesLimit).join("\n");
  return { text: text.toWellFormed(), isFolded: text.length < body.length };
}

function isJson(value: unknown): value is Json {
  return value !== undefined && typeof value !== "function" && typeof value !== "symbol" && typeof value !== "bigint";
}
