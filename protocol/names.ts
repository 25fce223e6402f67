import { z } from "zod";
import { PilinkError, quoteValue } from "./errors.ts";

/** The longest network or peer name, in characters (topics.md, "Identifiers"). */
export const nameLengthLimit = 64;

/** What a message is addressed to when it is for everybody; no peer may be called so. */
export const everybody = "all";

const slugPattern = /^[a-z0-9-][a-z0-9_-]*$/;

/** A network or peer name as it stands in a topic (topics.md, "Identifiers"). */
export const nameSchema = z.string().max(nameLengthLimit).regex(slugPattern);

/** True if the text is a network or peer name as it stands, without any change. */
export function isName(text: string): boolean {
  // As the schema says, and several times faster: it is asked for each level of each topic.
  return text.length <= nameLengthLimit && slugPattern.test(text);
}

/**
 * Turns what a person typed into a network or peer name where that is obvious: `My Team` becomes `my-team`.
 *
 * @param text what was typed
 * @param what what the name is for, as it should stand in the error's message
 * @throws PilinkError `bad-name` where it is not obvious: reserved names (a leading `_`), MQTT's own characters, nothing left
 */
export function parseName(text: string, what: "network" | "peer" = "peer"): string {
  if (isName(text) && text !== everybody) return text;
  const typed = text.trim();
  if (typed.startsWith("_")) {
    throw new PilinkError(
      "bad-name",
      `The ${what} name ${quoteValue(text)} begins with "_", which is reserved. Choose one that begins with a letter or digit.`,
      { value: text },
    );
  }
  const slug = foldText(typed);
  if (what === "peer" && slug === everybody) {
    throw new PilinkError(
      "bad-name",
      `The peer name "${everybody}" means everybody in the network. Choose another one.`,
      { value: text },
    );
  }
  // Of "..." only dashes would be left: that is not obvious, but "-" typed as such is a name.
  const nothingLeft = /^-*$/.test(slug) && slug !== typed;
  if (nothingLeft || !isName(slug)) {
    throw new PilinkError(
      "bad-name",
      `${quoteValue(text)} is no ${what} name: use 1 to ${nameLengthLimit} of a-z, 0-9, "-" and "_", for example ${quoteValue(makeName(text))}.`,
      { value: text },
    );
  }
  return slug;
}

/**
 * The name that is meant where that is obvious, or the text as it stands: what is wrong with it is told where it is used.
 *
 * @param text what a person or a model wrote
 */
export function readName(text: string): string {
  if (isName(text)) return text;
  const slug = foldText(text.trim());
  return isName(slug) ? slug : text;
}

/**
 * Makes a name out of any text, for names that nobody typed (a Pi session's name, a folder's).
 *
 * @param text the source; whatever no name may hold becomes `-`
 * @param fallback what to return where nothing is left
 */
export function makeName(text: string, fallback = "agent"): string {
  const slug = foldText(text)
    .replace(/[^a-z0-9_-]+/g, "-")
    .replace(/-{2,}/g, "-")
    .replace(/^[-_]+/, "")
    .slice(0, nameLengthLimit)
    .replace(/-+$/, "");
  return slug === "" || slug === everybody ? fallback : slug;
}

/**
 * The name to try after one that is taken: `dev`, `dev-2`, `dev-3` …
 *
 * @param name the name that is taken
 */
export function nextName(name: string): string {
  const match = /^(.*)-(\d{1,6})$/.exec(name);
  const stem = match?.[1] || name;
  const suffix = `-${match?.[1] ? Number(match[2]) + 1 : 2}`;
  return stem.slice(0, nameLengthLimit - suffix.length) + suffix;
}

/** Lower case, without accents, with runs of white space and dots as one `-`. */
function foldText(text: string): string {
  return text
    .normalize("NFKD")
    .replace(/\p{M}/gu, "")
    .toLowerCase()
    .replace(/[\s.]+/g, "-");
}
