import { parseArguments } from "../arguments.ts";
import type { Subcommand } from "../commands.ts";
import { count, describeAgent } from "../texts.ts";
import { requireConnection } from "./joined.ts";

/** `/pilink agents` */
export const agentsCommand: Subcommand = {
  name: "agents",
  usage: "/pilink agents",
  summary: "Shows who is in the network.",
  async run(line, { session }) {
    parseArguments(line, {}, agentsCommand.usage);
    const { peer } = requireConnection(session);
    const entries = peer.state === "active" ? await peer.confirmRoster() : peer.roster();
    const state = peer.state === "active" ? "" : ` (${peer.state})`;
    session.say(
      [
        `${count(entries.length, "agent")} in the network "${peer.network}"${state}:`,
        ...entries.map((entry) => `  ${describeAgent(entry)}`),
      ].join("\n"),
      peer.state === "active" ? "info" : "warning",
    );
  },
};
