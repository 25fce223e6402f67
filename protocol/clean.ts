// Control characters without tab and line feed; the marks that turn the direction of text; invisible "tag" characters
// that can hide a second text; the byte order mark. Joiners and variation selectors stay: emoji and scripts need them.
const unwanted =
  /[\p{Cc}--[\t\n]]|[\u061c\u200b\u200e\u200f\u202a-\u202e\u2060-\u2069\ufeff\ufff9-\ufffb\u{e0000}-\u{e007f}]/gv;

// ECMA-48 §5.4 (control sequences), §5.6 (control strings), §5.3 (other escapes). Each part excludes what begins the
// next one, so that no text takes more than one pass: `util.stripVTControlCharacters` takes minutes for some of 1 MiB.
const escapeCharacter = String.fromCharCode(0x1b);
const csi = `(?:${escapeCharacter}\\[|${String.fromCharCode(0x9b)})[0-?]*[ -/]*[@-~]`;
const stringEnd = `(?:${String.fromCharCode(0x07)}|${escapeCharacter}\\\\|${String.fromCharCode(0x9c)})`;
const stringText = `[^${String.fromCharCode(0x07)}${escapeCharacter}${String.fromCharCode(0x9c)}]{0,4096}`;
const stringStart = `(?:${escapeCharacter}[\\]PX^_]|[${String.fromCharCode(0x90, 0x98, 0x9d, 0x9e, 0x9f)}])`;
const controlString = `${stringStart}${stringText}${stringEnd}`;
const otherEscape = `${escapeCharacter}(?:[#%()*+./-][0-~]|[0-~])`;
const escapeSequence = new RegExp(`${csi}|${controlString}|${otherEscape}`, "g");

/**
 * Removes what a terminal would obey or a reader would not see: escape sequences, control characters,
 * bidirectional overrides, invisible tags. Line ends become `\n`; tabs stay.
 *
 * @param text anything that came from another agent
 */
export function cleanText(text: string): string {
  return text
    .toWellFormed()
    .replace(escapeSequence, "")
    .replace(/\r\n?|[\u0085\u2028\u2029]/g, "\n")
    .replace(unwanted, "");
}

/**
 * The same on one line, for names, roles and reasons.
 *
 * @param text anything that came from another agent
 * @param lengthLimit how many characters may remain
 */
export function cleanLine(text: string, lengthLimit = 120): string {
  const line = cleanText(text).replace(/\s+/g, " ").trim();
  if (line.length <= lengthLimit) return line;
  // The cut may fall between the two halves of one character.
  return `${line.slice(0, lengthLimit - 1).replace(/\p{Cs}$/u, "")}…`;
}
