import { type ParseArgsConfig, parseArgs } from "node:util";
import { messageOf, PilinkError, quoteValue } from "../protocol/errors.ts";

/** What followed a subcommand. */
export interface Arguments {
  words: string[];
  options: Record<string, string | boolean | undefined>;
}

/** The options a subcommand takes. */
export type OptionTable = Record<string, "text" | "switch">;

/**
 * Splits off the first word of a line.
 *
 * @returns the word, or an empty text, and what follows it as it stands
 */
export function splitWord(line: string): [string, string] {
  const match = /^\s*(\S*)\s?([\s\S]*)$/.exec(line);
  return [match?.[1] ?? "", match?.[2] ?? ""];
}

/**
 * Splits what `/pilink send` was given into receivers and text.
 *
 * @returns the names, or `all`; the text as it was typed, without a quotation mark or a space changed
 * @throws PilinkError `bad-argument` for a list with a space in it: what follows could be a name or the text
 */
export function splitReceivers(line: string): { to: string[] | "all"; text: string } {
  const [list, text] = splitWord(line);
  if (list.endsWith(",") || text.startsWith(",")) {
    throw new PilinkError(
      "bad-argument",
      `${quoteValue(list)}: write several names without a space between them, as dev,prod.`,
      {
        value: list,
      },
    );
  }
  const names = list.split(",").filter((name) => name !== "");
  return { to: names.includes("all") ? "all" : names, text };
}

/**
 * Reads the arguments of a subcommand as a shell would: words by white space, quotes hold them together.
 *
 * @param line what followed the subcommand
 * @param table the options it takes
 * @param usage what to show where it does not fit
 * @param wordLimit how many words may stand beside the options
 * @throws PilinkError `bad-argument` naming the word that does not fit
 */
export function parseArguments(line: string, table: OptionTable, usage: string, wordLimit = 0): Arguments {
  const options: NonNullable<ParseArgsConfig["options"]> = {};
  for (const [name, kind] of Object.entries(table)) options[name] = { type: kind === "text" ? "string" : "boolean" };
  try {
    const { values, positionals } = parseArgs({
      args: splitWords(line),
      options,
      allowPositionals: true,
      strict: true,
    });
    const extra = positionals.slice(wordLimit).join(" ");
    if (extra !== "") {
      throw new PilinkError(
        "bad-argument",
        `${quoteValue(extra)} is too much; put quotes around what belongs together. Usage: ${usage}`,
        { value: extra },
      );
    }
    const read: Arguments["options"] = {};
    for (const name of Object.keys(table)) {
      const value = values[name];
      if (typeof value === "string" || typeof value === "boolean") read[name] = value;
    }
    return { words: positionals, options: read };
  } catch (cause) {
    if (cause instanceof PilinkError) throw cause;
    throw new PilinkError("bad-argument", `${firstSentence(messageOf(cause))} Usage: ${usage}`, { value: line, cause });
  }
}

function splitWords(line: string): string[] {
  const words = line.match(/(?:[^\s"']|"[^"]*"|'[^']*')+/g) ?? [];
  const left = line.replace(/(?:[^\s"']|"[^"]*"|'[^']*')+/g, "").trim();
  if (left !== "") {
    throw new PilinkError("bad-argument", `A quotation mark in ${quoteValue(line)} is not closed.`, { value: line });
  }
  return words.map((word) => word.replace(/"([^"]*)"|'([^']*)'/g, (_all, double, single) => double ?? single ?? ""));
}

function firstSentence(text: string): string {
  const sentence = text.split(/(?<=')\. |\n/)[0] ?? text;
  return sentence.endsWith(".") ? sentence : `${sentence}.`;
}
