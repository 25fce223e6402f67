import { PilinkError } from "../../protocol/errors.ts";
import { parseArguments } from "../arguments.ts";
import type { Subcommand } from "../commands.ts";
import { createCommand, joinCommand } from "./enter.ts";

const choices = { create: "Create a network", join: "Join a network" } as const;

/** `/pilink setup` */
export const setupCommand: Subcommand = {
  name: "setup",
  usage: "/pilink setup",
  summary: "Asks what to do, and creates or joins a network.",
  async run(line, scene) {
    parseArguments(line, {}, setupCommand.usage);
    const { ctx, session } = scene;
    if (!ctx.hasUI) {
      throw new PilinkError(
        "bad-argument",
        `Nobody can be asked here. Use ${createCommand.usage} or ${joinCommand.usage}.`,
      );
    }
    const choice = await ctx.ui.select("pilink", Object.values(choices));
    if (choice === undefined) return session.say("Nothing was changed.");
    const network = await ctx.ui.input("Which network?", "lab");
    if (network === undefined || network.trim() === "") return session.say("Nothing was changed.");
    const quoted = `"${network.replaceAll('"', "")}"`;
    await (choice === choices.create ? createCommand : joinCommand).run(quoted, scene);
  },
};
