import { parseArguments } from "../arguments.ts";
import { isEntering } from "../attempt.ts";
import type { Subcommand } from "../commands.ts";
import { isUnseen } from "../reading.ts";
import { count } from "../texts.ts";

/** `/pilink status` */
export const statusCommand: Subcommand = {
  name: "status",
  usage: "/pilink status",
  summary: "Shows the network, the connection and what waits.",
  async run(line, { session }) {
    parseArguments(line, {}, statusCommand.usage);
    const { connection, carried } = session;
    if (connection === undefined) {
      return session.say(
        isEntering(carried)
          ? "This agent is in no network; it is still waiting to enter one. /pilink leave ends the waiting."
          : "This agent is in no network. Run /pilink create <network> or /pilink join <network>.",
      );
    }
    const { peer, broker } = connection;
    const status = peer.status();
    const unseen = peer.inbox().filter(isUnseen).length;
    const rejected = Object.entries(status.rejected).map(([reason, number]) => `${number} × ${reason}`);
    const link = status.connected
      ? "connected"
      : status.state === "closed"
        ? "disconnected"
        : "not connected, trying again";
    session.say(
      [
        `Network "${status.network}": ${status.state}. Host: ${status.host}${status.kind === "host" ? " (this agent)" : ""}.`,
        `This agent: ${status.name}, ${status.kind}.${status.state === "closed" ? "" : ` ${count(peer.roster().length, "agent")} here.`}`,
        `Broker: ${status.url} (${broker.managed ? "managed" : "external"}), ${link}.`,
        `Messages: ${unseen} that the model has not read${unseen === 0 ? "" : " (/pilink go)"}, ${status.unread} not yet in a session, ${status.waiting} on their way to others.`,
        ...(peer.about === undefined ? [] : [`About: ${peer.about}`]),
        ...(rejected.length === 0 ? [] : [`Rejected payloads: ${rejected.join(", ")}.`]),
      ].join("\n"),
      status.state === "active" && status.connected ? "info" : "warning",
    );
  },
};
