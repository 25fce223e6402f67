import type { Subcommand } from "../commands.ts";

/** Says how all subcommands are used. */
export function describeAll(subcommands: readonly Subcommand[]): string {
  return ["pilink: agents in other terminals, in one network.", ...subcommands.map(describeUse)].join("\n");
}

/** Says how one subcommand is used. */
export function describeUse({ usage, summary }: Subcommand): string {
  return `${usage}\n    ${summary}`;
}
