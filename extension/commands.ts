import type { ExtensionCommandContext } from "@earendil-works/pi-coding-agent";
import { findNearest } from "../peer/texts.ts";
import { PilinkError, quoteValue } from "../protocol/errors.ts";
import { splitWord } from "./arguments.ts";
import { isEntering } from "./attempt.ts";
import { agentsCommand } from "./commands/agents.ts";
import { configCommand } from "./commands/config.ts";
import { autoCommand, confirmCommand, deliveryCommand } from "./commands/delivery.ts";
import { doctorCommand } from "./commands/doctor.ts";
import { createCommand, joinCommand } from "./commands/enter.ts";
import { goCommand } from "./commands/go.ts";
import { aliases, describeAll, describeUse } from "./commands/help.ts";
import { inboxCommand } from "./commands/inbox.ts";
import { leaveCommand } from "./commands/leave.ts";
import { replyCommand } from "./commands/reply.ts";
import { sendCommand } from "./commands/send.ts";
import { sentCommand } from "./commands/sent.ts";
import { serverCommand } from "./commands/server.ts";
import { setupCommand } from "./commands/setup.ts";
import { statusCommand } from "./commands/status.ts";
import type { Session } from "./session.ts";
import { subcommandNames } from "./subcommands.ts";

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

const helpCommand: Subcommand = {
  name: "help",
  usage: "/pilink help [<command>]",
  summary: "Shows all commands, or how one is used.",
  async run(line, { session }) {
    const name = line.trim().replace(/^\/?pilink\s+/, "");
    session.say(name === "" ? describeAll(subcommands) : describeUse(findSubcommand(name)));
  },
};

/** Every subcommand, in the order in which help shows them. */
export const subcommands: readonly Subcommand[] = [
  setupCommand,
  createCommand,
  joinCommand,
  leaveCommand,
  agentsCommand,
  sendCommand,
  replyCommand,
  goCommand,
  inboxCommand,
  sentCommand,
  statusCommand,
  deliveryCommand,
  autoCommand,
  confirmCommand,
  doctorCommand,
  configCommand,
  serverCommand,
  helpCommand,
];

/**
 * Runs what was typed after `/pilink`; nothing typed is `status` in a network, else (also once it is closed) `setup`,
 * or `help` where nobody can be asked.
 *
 * @throws PilinkError what the subcommand throws; `bad-argument` for an unknown one
 */
export async function runCommand(line: string, scene: CommandScene): Promise<void> {
  const [word, rest] = splitWord(line);
  const { connection, carried } = scene.session;
  const isIn = connection !== undefined && connection.peer.state !== "closed";
  const isUsed = isIn || isEntering(carried) || (connection !== undefined && !scene.ctx.hasUI);
  const subcommand =
    word !== "" ? findSubcommand(word) : isUsed ? statusCommand : scene.ctx.hasUI ? setupCommand : helpCommand;
  await subcommand.run(rest, scene);
}

function findSubcommand(word: string): Subcommand {
  const found = subcommands.find(({ name }) => name === (aliases[word] ?? word));
  if (found !== undefined) return found;
  const nearest = findNearest(word, [...subcommandNames, ...Object.keys(aliases)]);
  throw new PilinkError(
    "bad-argument",
    `There is no command /pilink ${quoteValue(word)}.${nearest === undefined ? "" : ` Did you mean /pilink ${nearest}?`} There are: ${subcommandNames.join(", ")}.`,
    { value: word },
  );
}
