import { type BrokerStatus, brokerStatus, startBroker, stopBroker } from "../../broker/managed.ts";
import { findNetworks } from "../../peer/networks.ts";
import { count, describeDuration } from "../../peer/texts.ts";
import { describeAddress } from "../../protocol/address.ts";
import { isPilinkError, PilinkError, quoteValue } from "../../protocol/errors.ts";
import { parseArguments } from "../arguments.ts";
import type { CommandScene, Subcommand } from "../commands.ts";
import type { Session } from "../session.ts";
import { settingsHere } from "../settings.ts";

/** `/pilink server` */
export const serverCommand: Subcommand = {
  name: "server",
  usage: "/pilink server start|stop|status [--url <url>] [--yes]",
  summary: "Starts or stops the managed broker, or tells about it.",
  async run(line, scene) {
    const { session, ctx } = scene;
    const { words, options } = parseArguments(line, { url: "text", yes: "switch" }, serverCommand.usage, 1);
    const [action] = words;
    const flags = typeof options.url === "string" ? { url: options.url } : {};
    if (action !== "start" && action !== "stop" && action !== "status") {
      throw new PilinkError(
        "bad-argument",
        `${action === undefined ? "What should the server do?" : `The server has no action ${quoteValue(action)}.`} Usage: ${serverCommand.usage}`,
        { value: action },
      );
    }
    const { home, values } = settingsHere(ctx, flags);
    const choice = { home, url: values.url };
    if (action === "start") session.say(await start(choice));
    else if (action === "stop") await stop(choice, scene, options.yes === true);
    else session.say(describe(await brokerStatus(choice), choice));
  },
};

interface Choice {
  home: string;
  url: string | undefined;
}

type Running = Extract<BrokerStatus, { running: true }>;

async function start(choice: Choice): Promise<string> {
  const broker = await startBroker(choice);
  const shown = describeAddress(broker.url);
  const pid = broker.pid === undefined ? "" : ` (port ${broker.port}, pid ${broker.pid})`;
  const note = broker.note === undefined ? "" : `\n${broker.note}`;
  if (broker.started) return `Started the managed broker at ${shown}${pid}.${note}`;
  return `${broker.managed ? "The managed broker already runs" : "An external broker already listens"} at ${shown}${pid}.${note}`;
}

async function stop(choice: Choice, { session, ctx }: CommandScene, yes: boolean): Promise<void> {
  const status = await brokerStatus(choice);
  if (status.running && !yes) {
    const consequence = await describeConsequence(choice.home, status, session);
    if (consequence !== undefined) {
      if (!ctx.hasUI) throw new PilinkError("bad-argument", `${consequence} Add --yes to do it.`);
      if (!(await ctx.ui.confirm("Stop the broker?", consequence))) {
        return session.say(`The managed broker at ${describeAddress(status.url)} still runs.`);
      }
    }
  }
  const outcome = await stopBroker(choice);
  session.say(
    outcome.stopped
      ? `Stopped the managed broker at ${describeAddress(outcome.url)} (port ${outcome.port}, pid ${outcome.pid}). The networks on it have ended. /pilink server start starts it again.`
      : `No managed broker runs${at(choice)}.`,
  );
}

/** Whom a stop cuts off, or undefined where it is nobody but this agent. */
async function describeConsequence(home: string, status: Running, session: Session): Promise<string | undefined> {
  const { url, report } = status;
  const shown = describeAddress(url);
  if (report === undefined) return `The broker at ${shown} does not answer, so it is not known who is connected to it.`;
  const others = report.clients - (isOwn(session, status) ? 1 : 0);
  if (others <= 0) return undefined;
  const networks = await listNetworks(home, url);
  const ending = networks.length === 0 ? "" : ` and ends ${networks.join(", ")}`;
  return `Stopping the broker at ${shown} cuts off ${count(others, "other client")}${ending}.`;
}

/** True where this agent is a client of that broker. */
function isOwn({ connection }: Session, { host, port }: Running): boolean {
  if (connection === undefined || !connection.peer.status().connected) return false;
  const { hostname, port: ownPort } = new URL(connection.peer.status().url);
  return Number(ownPort || 1883) === port && (hostname === host || hostname === "localhost");
}

async function listNetworks(home: string, url: string): Promise<string[]> {
  try {
    return (await findNetworks({ home, url })).map(
      ({ network, host, agents }) => `the network "${network}" (host ${host}, ${count(agents, "agent")})`,
    );
  } catch (error) {
    // The question is asked all the same: it is known that somebody is connected.
    if (!isPilinkError(error)) throw error;
    return [];
  }
}

function describe(status: BrokerStatus, choice: Choice): string {
  if (!status.running) {
    return `No managed broker runs${at(choice)}. /pilink create or /pilink server start starts it.`;
  }
  const { url, pid, port, version, report } = status;
  const details =
    report === undefined
      ? "It does not answer at the moment; /pilink doctor looks closer."
      : `Up for ${describeDuration(report.uptimeMs)}, ${count(report.clients, "client")}, ${Math.round(report.memoryBytes / 1e6)} MB of memory.`;
  return `The managed broker runs at ${describeAddress(url)} (port ${port}, pid ${pid}, version ${version}). ${details}`;
}

function at({ url }: Choice): string {
  return url === undefined ? "" : ` at ${describeAddress(url)}`;
}
