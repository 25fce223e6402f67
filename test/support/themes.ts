import { readFileSync } from "node:fs";
import { findPackageJSON } from "node:module";
import { dirname, join } from "node:path";
import { Theme } from "@earendil-works/pi-coding-agent";
import { z } from "zod";

const colourSchema = z.union([z.string(), z.number()]);
const backgrounds = [
  "selectedBg",
  "userMessageBg",
  "customMessageBg",
  "toolPendingBg",
  "toolSuccessBg",
  "toolErrorBg",
] as const;
const foregrounds = [
  "accent",
  "border",
  "borderAccent",
  "borderMuted",
  "success",
  "error",
  "warning",
  "muted",
  "dim",
  "text",
  "thinkingText",
  "userMessageText",
  "customMessageText",
  "customMessageLabel",
  "toolTitle",
  "toolOutput",
  "mdHeading",
  "mdLink",
  "mdLinkUrl",
  "mdCode",
  "mdCodeBlock",
  "mdCodeBlockBorder",
  "mdQuote",
  "mdQuoteBorder",
  "mdHr",
  "mdListBullet",
  "toolDiffAdded",
  "toolDiffRemoved",
  "toolDiffContext",
  "syntaxComment",
  "syntaxKeyword",
  "syntaxFunction",
  "syntaxVariable",
  "syntaxString",
  "syntaxNumber",
  "syntaxType",
  "syntaxOperator",
  "syntaxPunctuation",
  "thinkingOff",
  "thinkingMinimal",
  "thinkingLow",
  "thinkingMedium",
  "thinkingHigh",
  "thinkingXhigh",
  "bashMode",
] as const;
const fileSchema = z.object({ vars: z.record(z.string(), colourSchema), colors: z.record(z.string(), colourSchema) });

/** The names of Pi's own themes, with the background of the terminal that each is meant for. */
export const terminalBackgrounds = { dark: "#000000", light: "#ffffff" } as const;

/** Loads one of Pi's own themes, which Pi gives only to what it draws itself. */
export function loadTheme(name: keyof typeof terminalBackgrounds): Theme {
  const manifest = findPackageJSON("@earendil-works/pi-coding-agent", import.meta.url);
  if (manifest === undefined) throw new Error("Pi is not installed: run npm ci.");
  const path = join(dirname(manifest), "dist", "modes", "interactive", "theme", `${name}.json`);
  const { vars, colors } = fileSchema.parse(JSON.parse(readFileSync(path, "utf8")));
  const resolve = (names: readonly string[]) =>
    Object.fromEntries(names.map((key) => [key, vars[colors[key] ?? ""] ?? colors[key]]));
  return new Theme(
    z.record(z.enum(foregrounds), colourSchema).parse(resolve(foregrounds)),
    z.record(z.enum(backgrounds), colourSchema).parse(resolve(backgrounds)),
    "truecolor",
  );
}

/**
 * How well each coloured piece of a line can be read: the contrast of its colour to what is behind it, as WCAG 2.2
 * reckons it (1 to 21).
 *
 * @param line with true colours, as a theme of {@link loadTheme} makes it
 * @param behind the colour of the terminal, as `#rrggbb`
 */
export function contrastsIn(line: string, behind: string): { text: string; contrast: number }[] {
  const terminal = channelsOf(behind);
  let foreground: number[] | undefined;
  let background = terminal;
  const pieces: { text: string; contrast: number }[] = [];
  for (const piece of line.split("\u001b[")) {
    const end = piece.indexOf("m");
    const codes = piece.slice(0, end);
    const [kind, , ...channels] = codes.split(";").map(Number);
    if (kind === 38) foreground = channels;
    else if (kind === 48) background = channels;
    else if (codes === "39" || codes === "0") foreground = undefined;
    else if (codes === "49") background = terminal;
    const text = piece.slice(end + 1).trim();
    if (text === "" || foreground === undefined) continue;
    const [light = 0, dark = 0] = [luminanceOf(foreground), luminanceOf(background)].sort((a, b) => b - a);
    pieces.push({ text, contrast: (light + 0.05) / (dark + 0.05) });
  }
  return pieces;
}

function channelsOf(colour: string): number[] {
  return [1, 3, 5].map((at) => Number.parseInt(colour.slice(at, at + 2), 16));
}

function luminanceOf(channels: readonly number[]): number {
  const [red = 0, green = 0, blue = 0] = channels.map((channel) => {
    const share = channel / 255;
    return share <= 0.04045 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4;
  });
  return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
}
