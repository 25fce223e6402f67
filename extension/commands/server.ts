import { brokerStatus, listBrokers, type RunningBroker, startBroker, stopBroker } from "../../broker/managed.ts";
import { findNetworks } from "../../peer/networks.ts";
import { count, describeDuration } from "../../peer/texts.ts";
import { describeAddress, parseAddress } from "../../protocol/address.ts";
import { isPilinkError, PilinkError, quoteValue } from "../../protocol/errors.ts";
import { parseArguments } from "../arguments.ts";
import type { CommandScene, Subcommand } from "../commands.ts";
import { isAgreed } from "../question.ts";
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
    else session.say(await describe(choice, options.url !== undefined, scene));
  },
};

interface Choice {
  home: string;
  url: string | undefined;
}

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
      const question = { title: "Stop the broker?", text: consequence, no: "let it run", yes: "stop it" };
      if (!(await isAgreed(ctx, question))) {
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
async function describeConsequence(home: string, status: RunningBroker, session: Session): Promise<string | undefined> {
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
function isOwn({ connection }: Session, broker: RunningBroker): boolean {
  if (connection === undefined || !connection.peer.status().connected) return false;
  return isAt(connection.peer.status().url, broker);
}

function isAt(url: string, { host, port }: RunningBroker): boolean {
  const { hostname, port: ownPort } = new URL(url);
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

/** The broker at a URL that the person typed, else all that run, each with what it is to this agent. */
async function describe(choice: Choice, isTyped: boolean, { session }: CommandScene): Promise<string> {
  const { home, url } = choice;
  const meant = await brokerStatus(choice);
  const running = isTyped ? (meant.running ? [meant] : []) : await listBrokers(home);
  const { peer, broker } = session.connection ?? {};
  const own = peer === undefined || peer.state === "closed" ? undefined : peer.status().url;
  const isUsed = (status: RunningBroker) => own !== undefined && isAt(own, status);
  const lines = running.map((status) => describeRunning(status, isUsed(status), running.length > 1));
  if (running.length === 0 || (!meant.running && url !== undefined && parseAddress(url).isStartable)) {
    lines.unshift(`No managed broker runs${at(choice)}. /pilink create or /pilink server start starts it.`);
  }
  if (own !== undefined && !isTyped && !running.some(isUsed)) {
    lines.push(
      `This agent uses the broker at ${own}, which ${broker?.managed === true ? "does not run" : "is not managed"}.`,
    );
  }
  return lines.join("\n");
}

function describeRunning(status: RunningBroker, isOwnBroker: boolean, isOneOfMany: boolean): string {
  const { url, pid, port, version, local, report } = status;
  const details =
    report === undefined
      ? "It does not answer at the moment; /pilink doctor looks closer."
      : `Up for ${describeDuration(report.uptimeMs)}, ${count(report.clients, "client")}, ${Math.round(report.memoryBytes / 1e6)} MB of memory.`;
  const marks = [
    ...(isOneOfMany && local ? ["the one that is used where no other is named"] : []),
    ...(isOneOfMany && isOwnBroker ? ["this agent uses it"] : []),
  ];
  const which = marks.length === 0 ? "" : ` (${marks.join("; ")})`;
  return `${isOneOfMany ? "A" : "The"} managed broker runs at ${describeAddress(url)} (port ${port}, pid ${pid}, version ${version}). ${details}${which}`;
}

function at({ url }: Choice): string {
  return url === undefined ? "" : ` at ${describeAddress(url)}`;
}
