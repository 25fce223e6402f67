import { parseArguments } from "../arguments.ts";
import type { Subcommand } from "../commands.ts";
import { count, describeAgent } from "../texts.ts";
import { requireConnection } from "./joined.ts";

/** `/pilink agents` */
export const agentsCommand: Subcommand = {
  name: "agents",
  usage: "/pilink agents",
  summary: "Shows who is in the network.",
  async run(line, scene) {
    parseArguments(line, {}, agentsCommand.usage);
    const { peer } = requireConnection(scene);
    const entries = peer.state === "active" ? await peer.confirmRoster() : peer.roster();
    const state = peer.state === "active" ? "" : ` (${peer.state})`;
    scene.session.say(
      [
        `${count(entries.length, "agent")} in the network "${peer.network}"${state}:`,
        ...entries.map((entry) => `  ${describeAgent(entry)}`),
      ].join("\n"),
    );
  },
};
