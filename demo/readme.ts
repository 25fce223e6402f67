/** What stands around the captured screens in the README. */
export const captureMarks = {
  begin: "<!-- captured by npm run capture -->",
  end: "<!-- end of what was captured -->",
} as const;

/**
 * Puts captured screens into the README, in the place of those that are there.
 *
 * @throws Error where the README has no place for them
 */
export function replaceCapture(readme: string, { dev, prod }: { dev: string; prod: string }): string {
  const [before, rest] = splitOnce(readme, captureMarks.begin);
  const [, after] = splitOnce(rest, captureMarks.end);
  const shown = ["In dev's terminal:", fence(dev), "In prod's terminal:", fence(prod)].join("\n\n");
  return `${before}${captureMarks.begin}\n\n${shown}\n\n${captureMarks.end}${after}`;
}

function splitOnce(text: string, mark: string): [string, string] {
  const at = text.indexOf(mark);
  if (at < 0) throw new Error(`README.md has no line ${mark}, so there is no place for the captured screens.`);
  return [text.slice(0, at), text.slice(at + mark.length)];
}

function fence(screen: string): string {
  return `\`\`\`text\n${screen}\n\`\`\``;
}
