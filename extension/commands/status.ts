import { parseArguments } from "../arguments.ts";
import type { Subcommand } from "../commands.ts";
import { count } from "../texts.ts";

/** `/pilink status` */
export const statusCommand: Subcommand = {
  name: "status",
  usage: "/pilink status",
  summary: "Shows the network, the connection and what waits.",
  async run(line, { session }) {
    parseArguments(line, {}, statusCommand.usage);
    const { connection } = session;
    if (connection === undefined) {
      return session.say("This agent is in no network. Run /pilink create <network> or /pilink join <network>.");
    }
    const { peer, broker } = connection;
    const status = peer.status();
    const rejected = Object.entries(status.rejected).map(([reason, number]) => `${number} × ${reason}`);
    session.say(
      [
        `Network "${status.network}": ${status.state}. Host: ${status.host}${status.kind === "host" ? " (this agent)" : ""}.`,
        `This agent: ${status.name}, ${status.kind}. ${count(peer.roster().length, "agent")} here.`,
        `Broker: ${status.url} (${broker.managed ? "managed" : "external"}), ${status.connected ? "connected" : "not connected, trying again"}.`,
        `Messages: ${status.unread} not yet in a session, ${status.waiting} on their way to others.`,
        ...(peer.about === undefined ? [] : [`About: ${peer.about}`]),
        ...(rejected.length === 0 ? [] : [`Rejected payloads: ${rejected.join(", ")}.`]),
      ].join("\n"),
      status.state === "active" && status.connected ? "info" : "warning",
    );
  },
};
