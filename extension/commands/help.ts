import { PilinkError, quoteValue } from "../../protocol/errors.ts";
import type { Subcommand } from "../commands.ts";

/**
 * Says how the subcommands are used.
 *
 * @param name one subcommand, or an empty text for all of them
 * @throws PilinkError `bad-argument` if there is no such subcommand
 */
export function helpText(subcommands: readonly Subcommand[], name: string): string {
  if (name === "") {
    return [
      "pilink: agents in other terminals, in one network.",
      ...subcommands.map(({ usage, summary }) => `${usage}\n    ${summary}`),
      "/pilink help [command]",
    ].join("\n");
  }
  const found = subcommands.find((subcommand) => subcommand.name === name);
  if (found === undefined) {
    throw new PilinkError(
      "bad-argument",
      `There is no subcommand ${quoteValue(name)}. There are: ${subcommands.map((each) => each.name).join(", ")}, help.`,
      { value: name },
    );
  }
  return `${found.usage}\n    ${found.summary}`;
}
