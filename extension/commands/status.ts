import { brokerStatus } from "../../broker/managed.ts";
import { decide } from "../../peer/preferences.ts";
import { count, describeTime } from "../../peer/texts.ts";
import { isLoopback, isPrivateHost, parseAddress } from "../../protocol/address.ts";
import { cleanLine } from "../../protocol/clean.ts";
import { homeFolder } from "../../store/folder.ts";
import { parseArguments } from "../arguments.ts";
import { isEntering } from "../attempt.ts";
import type { Subcommand } from "../commands.ts";
import type { Connection } from "../connection.ts";
import { isPending, isUnread } from "../reading.ts";

/** `/pilink status` */
export const statusCommand: Subcommand = {
  name: "status",
  usage: "/pilink status",
  summary: "Shows the network, the broker, what happens with messages, and what waits.",
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
    const version = await findVersion(connection);
    const { state, connected } = connection.peer.status();
    session.say(describeStatus(connection, version).join("\n"), state === "active" && connected ? "info" : "warning");
  },
};

/**
 * What the status says.
 *
 * @param version the broker's, where it is known
 */
export function describeStatus({ peer, broker, preferences }: Connection, version: string | undefined): string[] {
  const status = peer.status();
  const { network, name, kind, host, state, url } = status;
  const entries = peer.inbox();
  const unread = entries.filter(isUnread).length;
  const pending = entries.filter(isPending);
  const held = pending.filter(
    (entry) => entry.state === "unread" && decide(preferences, network, entry).delivery === "hold",
  ).length;
  const rejected = Object.entries(status.rejected).map(([reason, number]) => `${number} × ${reason}`);
  const link = status.connected ? "connected" : state === "closed" ? "disconnected" : "not connected, trying again";
  const since = peer.roster().find(({ isSelf }) => isSelf)?.presence.since;
  const others = Object.keys(preferences.deliveries).filter((key) => key.startsWith(`${network}/`)).length;
  return [
    `Network "${network}": ${state}. Host: ${host}${kind === "host" ? " (this agent)" : ""}.`,
    ...(peer.about === undefined ? [] : [`About: ${cleanLine(peer.about, 200)}`]),
    `This agent: ${name}, ${kind}${since === undefined ? "" : `, since ${describeTime(since)}`}.${state === "closed" ? "" : ` ${count(peer.roster().length, "agent")} here.`}`,
    `Broker: ${url} (${broker.managed ? "managed" : "external"}), ${describeVersion(version, status.connected)}.`,
    `Connection: ${connectionKind(url)}, ${link}.`,
    `Delivery: ${preferences.delivery}${others === 0 ? "" : `, another one for ${count(others, "agent")} (/pilink delivery)`}. The model's messages ${preferences.confirm ? "are shown to you first" : "go without a question"}.`,
    `Messages: ${unread} unread${unread === 0 ? "" : " (/pilink inbox)"}, ${pending.length} that the model has not read${pending.length === 0 ? "" : " (/pilink go)"}, ${held} of them held, ${status.waiting} on their way to others.`,
    ...(rejected.length === 0 ? [] : [`Rejected payloads: ${rejected.join(", ")} (/pilink doctor).`]),
  ];
}

/** Some brokers tell their name as well. */
function describeVersion(version: string | undefined, isConnected: boolean): string {
  if (version === undefined) return isConnected ? "version not told" : "not reached at the moment";
  const shown = cleanLine(version, 60);
  return /^v?\d/.test(shown) ? `version ${shown}` : shown;
}

function connectionKind(url: string): "local" | "lan" | "remote" {
  if (isLoopback(url)) return "local";
  return isPrivateHost(parseAddress(url).host) ? "lan" : "remote";
}

async function findVersion({ peer, broker }: Connection): Promise<string | undefined> {
  if (!broker.managed) return peer.status().connected ? peer.brokerVersion() : undefined;
  const url = broker.isDefault ? undefined : broker.url;
  const found = await brokerStatus({ home: homeFolder(process.env), url });
  return found.running ? found.version : undefined;
}
