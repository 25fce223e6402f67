import { PilinkError } from "../../protocol/errors.ts";
import type { Subcommand } from "../commands.ts";
import type { SubcommandName } from "../subcommands.ts";

/** What help says of a command beside its usage and its summary. */
interface Page {
  /** A few words, for a line that fits into 40 columns, of which Pi leaves 38, together with the name. */
  brief: string;
  example: string;
}

/** Other words for commands. */
export const aliases: Readonly<Record<string, SubcommandName>> = { disconnect: "leave" };

// In the order in which help shows them.
const groups: Readonly<Record<string, Partial<Record<SubcommandName, Page>>>> = {
  "The network": {
    setup: { brief: "asks what to do", example: "/pilink setup" },
    create: { brief: "creates one, as its host", example: '/pilink create lab --about "fix login"' },
    join: { brief: "joins one", example: "/pilink join lab --name reviewer" },
    leave: { brief: "leaves it", example: "/pilink leave" },
    agents: { brief: "who is here", example: "/pilink agents" },
    status: { brief: "where this agent is", example: "/pilink status" },
  },
  Messages: {
    send: { brief: "sends one", example: "/pilink send prod Can you review the diff?" },
    reply: { brief: "answers one", example: "/pilink reply Yes, on it." },
    go: { brief: "a turn on what waits", example: "/pilink go" },
    inbox: { brief: "what arrived", example: "/pilink inbox all" },
    sent: { brief: "what became of them", example: "/pilink sent" },
  },
  "Who decides": {
    delivery: { brief: "what happens with messages", example: "/pilink delivery hold prod" },
    auto: { brief: "the same: on, off, turn", example: "/pilink auto off" },
    confirm: { brief: "ask before the model sends", example: "/pilink confirm on" },
  },
  "When something is wrong": {
    doctor: { brief: "examines everything", example: "/pilink doctor" },
    config: { brief: "what is set, and where", example: "/pilink config" },
    server: { brief: "the managed broker", example: "/pilink server status" },
    help: { brief: "this, or one command", example: "/pilink help send" },
  },
};

/** All commands in groups, one short line each. */
export function describeAll(subcommands: readonly Subcommand[]): string {
  const known = new Set(subcommands.map(({ name }) => name));
  const width = Math.max(...subcommands.map(({ name }) => name.length));
  const lines = Object.entries(groups).flatMap(([title, pages]) => [
    `${title}:`,
    ...Object.entries(pages)
      .filter(([name]) => known.has(name))
      .map(([name, { brief }]) => `  ${name.padEnd(width)}  ${brief}${aliasNote(name)}`),
  ]);
  return [
    "/pilink <command>: agents in other terminals, in one network.",
    ...lines,
    "Begin with /pilink create <network> in one terminal and /pilink join <network> in another. /pilink help <command> says more.",
  ].join("\n");
}

/**
 * One command: how it is used, what it does, an example.
 *
 * @throws PilinkError `bad-argument` where it has no page
 */
export function describeUse({ name, usage, summary }: Subcommand): string {
  const page = Object.values(groups)
    .flatMap((pages) => Object.entries(pages))
    .find(([each]) => each === name)?.[1];
  if (page === undefined) throw new PilinkError("bad-argument", `There is no help on ${name}.`, { value: name });
  const others = aliasesOf(name).map((alias) => `/pilink ${alias}`);
  return [
    usage,
    `  ${summary}`,
    ...(others.length === 0 ? [] : [`  The same: ${others.join(", ")}`]),
    `  Example: ${page.example}`,
  ].join("\n");
}

function aliasNote(name: string): string {
  const others = aliasesOf(name);
  return others.length === 0 ? "" : ` (or: ${others.join(", ")})`;
}

function aliasesOf(name: string): string[] {
  return Object.entries(aliases).flatMap(([alias, meant]) => (meant === name ? [alias] : []));
}
