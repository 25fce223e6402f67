import type { ExtensionCommandContext } from "@earendil-works/pi-coding-agent";
import { PilinkError, quoteValue } from "../protocol/errors.ts";
import { splitWord } from "./arguments.ts";
import { agentsCommand } from "./commands/agents.ts";
import { createCommand, joinCommand } from "./commands/enter.ts";
import { goCommand } from "./commands/go.ts";
import { helpText } from "./commands/help.ts";
import { leaveCommand } from "./commands/leave.ts";
import { sendCommand } from "./commands/send.ts";
import { serverCommand } from "./commands/server.ts";
import { setupCommand } from "./commands/setup.ts";
import { statusCommand } from "./commands/status.ts";
import type { Session } from "./session.ts";

/** What a subcommand works with. */
export interface CommandScene {
  session: Session;
  ctx: ExtensionCommandContext;
}

/** A subcommand of `/pilink`. */
export interface Subcommand {
  name: string;
  usage: string;
  summary: string;
  /** @param line what followed the subcommand, as it was typed */
  run(line: string, scene: CommandScene): Promise<void>;
}

const subcommands: readonly Subcommand[] = [
  setupCommand,
  createCommand,
  joinCommand,
  leaveCommand,
  agentsCommand,
  sendCommand,
  goCommand,
  statusCommand,
  serverCommand,
];

const aliases: Readonly<Record<string, string>> = { disconnect: "leave" };

/**
 * Runs what was typed after `/pilink`.
 *
 * @throws PilinkError what the subcommand throws; `bad-argument` for an unknown one
 */
export async function runCommand(line: string, scene: CommandScene): Promise<void> {
  const [word, rest] = splitWord(line);
  if (word === "help") return scene.session.say(helpText(subcommands, rest.trim()));
  if (word === "") {
    if (scene.session.connection === undefined) return scene.session.say(helpText(subcommands, ""));
    return statusCommand.run("", scene);
  }
  const subcommand = subcommands.find(({ name }) => name === (aliases[word] ?? word));
  if (subcommand === undefined) {
    throw new PilinkError(
      "bad-argument",
      `There is no subcommand ${quoteValue(word)}. There are: ${subcommands.map(({ name }) => name).join(", ")}, help.`,
      { value: word },
    );
  }
  await subcommand.run(rest, scene);
}
