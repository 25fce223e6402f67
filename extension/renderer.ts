import type { MessageRenderer } from "@earendil-works/pi-coding-agent";
import { Box, Text } from "@earendil-works/pi-tui";
import { cleanLine } from "../protocol/clean.ts";
import { bodyText } from "../protocol/frame.ts";
import type { Json } from "../protocol/json.ts";

/** Draws a message from another agent: who wrote it and what, without the frame that the model reads. */
export const renderMessage: MessageRenderer = (message, _options, theme) => {
  const { from, verified, type, re, body, at } = readDetails(message.details);
  const sender = theme.fg("customMessageLabel", theme.bold(`${from ?? "unnamed"} →`));
  const marks = [
    ...(verified ? [] : ["unverified"]),
    ...(type === "message" ? [] : [type]),
    ...(re === undefined ? [] : ["answer"]),
    ...(at === undefined ? [] : [new Date(at).toLocaleTimeString(undefined, { hour: "2-digit", minute: "2-digit" })]),
  ];
  const box = new Box(1, 1, (text) => theme.bg("customMessageBg", text));
  box.addChild(
    new Text(`${sender} ${theme.fg("dim", marks.join(" · "))}\n${theme.fg("customMessageText", body)}`, 0, 0),
  );
  return box;
};

/** Draws the request to act on messages as one quiet line. */
export const renderGo: MessageRenderer = (_message, _options, theme) =>
  new Text(theme.fg("dim", "→ the model is asked to act on the messages above"), 1, 0);

interface Shown {
  from: string | undefined;
  verified: boolean;
  type: string;
  re: string | undefined;
  body: string;
  at: number | undefined;
}

function readDetails(details: unknown): Shown {
  const fields = new Map(typeof details === "object" && details !== null ? Object.entries(details) : []);
  const text = (name: string) => {
    const value: unknown = fields.get(name);
    return typeof value === "string" ? cleanLine(value) : undefined;
  };
  const body: unknown = fields.get("body");
  const at: unknown = fields.get("at");
  return {
    from: text("from"),
    verified: fields.get("verified") === true,
    type: text("type") ?? "message",
    re: text("re"),
    body: bodyText(isJson(body) ? body : ""),
    at: typeof at === "number" ? at : undefined,
  };
}

function isJson(value: unknown): value is Json {
  return value !== undefined && typeof value !== "function" && typeof value !== "symbol" && typeof value !== "bigint";
}
