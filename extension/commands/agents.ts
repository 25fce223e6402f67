import { count, describeAgentLines } from "../../peer/texts.ts";
import { parseArguments } from "../arguments.ts";
import type { Subcommand } from "../commands.ts";
import { requireConnection } from "./joined.ts";

/** `/pilink agents` */
export const agentsCommand: Subcommand = {
  name: "agents",
  usage: "/pilink agents",
  summary: "Shows who is in the network, what each is doing, where, and since when.",
  async run(line, { session }) {
    parseArguments(line, {}, agentsCommand.usage);
    const { peer } = requireConnection(session);
    const entries = peer.state === "active" ? await peer.confirmRoster() : peer.roster();
    const state = peer.state === "active" ? "" : ` (${peer.state})`;
    session.say(
      [
        `${count(entries.length, "agent")} in the network "${peer.network}"${state}:`,
        ...entries.flatMap(describeAgentLines),
      ].join("\n"),
      peer.state === "active" ? "info" : "warning",
    );
  },
};
