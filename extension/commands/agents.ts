import type { Peer } from "../../peer/peer.ts";
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
    const { network, state } = peer;
    if (state === "closed") return session.say(describeLast(peer), "warning");
    const entries = state === "active" ? await peer.confirmRoster() : peer.roster();
    session.say(
      [
        `${count(entries.length, "agent")} in the network "${network}"${state === "active" ? "" : ` (${state})`}:`,
        ...entries.flatMap((entry) => describeAgentLines(entry)),
      ].join("\n"),
      state === "active" ? "info" : "warning",
    );
  },
};

/** Who was in a network when it was closed. */
function describeLast(peer: Peer): string {
  const entries = peer.roster();
  return [
    `The network "${peer.network}" is closed: nobody is in it any more, and nobody can return. ${count(entries.length, "agent was", "agents were")} there last:`,
    ...entries.flatMap((entry) => describeAgentLines(entry, true)),
    "/pilink setup starts or joins a new network.",
  ].join("\n");
}
