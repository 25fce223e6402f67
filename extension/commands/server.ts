import { brokerStatus, startBroker, stopBroker } from "../../broker/managed.ts";
import { describeAddress } from "../../protocol/address.ts";
import { PilinkError, quoteValue } from "../../protocol/errors.ts";
import { parseArguments } from "../arguments.ts";
import type { Subcommand } from "../commands.ts";
import { settingsHere } from "../settings.ts";
import { count } from "../texts.ts";

/** `/pilink server` */
export const serverCommand: Subcommand = {
  name: "server",
  usage: "/pilink server start|stop|status [--url <url>]",
  summary: "Starts or stops the managed broker, or tells about it.",
  async run(line, { session, ctx }) {
    const { words, options } = parseArguments(line, { url: "text" }, serverCommand.usage, 1);
    const [action] = words;
    const flags = typeof options.url === "string" ? { url: options.url } : {};
    const { home, values } = settingsHere(ctx, flags);
    const choice = { home, url: values.url };
    if (action === "start") session.say(await start(choice));
    else if (action === "stop") session.say(await stop(choice));
    else if (action === "status") session.say(await describe(choice));
    else {
      throw new PilinkError(
        "bad-argument",
        `${action === undefined ? "What should the server do?" : `The server has no action ${quoteValue(action)}.`} Usage: ${serverCommand.usage}`,
        {
          value: action,
        },
      );
    }
  },
};

interface Choice {
  home: string;
  url: string | undefined;
}

async function start(choice: Choice): Promise<string> {
  const broker = await startBroker(choice);
  const shown = describeAddress(broker.url);
  const note = broker.note === undefined ? "" : `\n${broker.note}`;
  if (broker.started) return `Started the managed broker at ${shown} (pid ${broker.pid}).${note}`;
  return `${broker.managed ? "The managed broker already runs" : "An external broker already listens"} at ${shown}.${note}`;
}

async function stop(choice: Choice): Promise<string> {
  const outcome = await stopBroker(choice);
  if (!outcome.stopped)
    return `No managed broker runs${choice.url === undefined ? "" : ` at ${describeAddress(choice.url)}`}.`;
  return `Stopped the managed broker at ${describeAddress(outcome.url)} (pid ${outcome.pid}). The networks on it have ended. /pilink server start starts it again.`;
}

async function describe(choice: Choice): Promise<string> {
  const status = await brokerStatus(choice);
  if (!status.running) {
    return `No managed broker runs${choice.url === undefined ? "" : ` at ${describeAddress(choice.url)}`}. /pilink create or /pilink server start starts it.`;
  }
  const { url, pid, port, version, report } = status;
  const details =
    report === undefined
      ? "It does not answer at the moment."
      : `Up for ${Math.round(report.uptimeMs / 1000)} s, ${count(report.clients, "client")}, ${Math.round(report.memoryBytes / 1e6)} MB.`;
  return `The managed broker runs at ${describeAddress(url)} (port ${port}, pid ${pid}, version ${version}). ${details}`;
}
