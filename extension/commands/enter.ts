import { PilinkError } from "../../protocol/errors.ts";
import { parseArguments } from "../arguments.ts";
import type { CommandScene, Subcommand } from "../commands.ts";
import type { Connection } from "../connection.ts";
import { type Entered, type EnterRequest, enterNetwork } from "../entering.ts";
import { count } from "../texts.ts";
import { mayCutOff } from "./joined.ts";

const options = { name: "text", role: "text", url: "text", yes: "switch" } as const;

/** `/pilink create` */
export const createCommand: Subcommand = {
  name: "create",
  usage: '/pilink create <network> [--name <name>] [--role "<role>"] [--about "<text>"] [--url <url>] [--yes]',
  summary: "Creates a network and becomes its host. The network lives as long as this agent is in it.",
  run: (line, scene) => enter("create", line, createCommand.usage, scene),
};

/** `/pilink join` */
export const joinCommand: Subcommand = {
  name: "join",
  usage: '/pilink join <network> [--name <name>] [--role "<role>"] [--url <url>] [--yes]',
  summary: "Joins a network that another agent hosts.",
  run: (line, scene) => enter("join", line, joinCommand.usage, scene),
};

async function enter(kind: EnterRequest["kind"], line: string, usage: string, scene: CommandScene): Promise<void> {
  const { session, ctx } = scene;
  const table = kind === "create" ? ({ ...options, about: "text" } as const) : options;
  const { words, options: given } = parseArguments(line, table, usage);
  const [network, ...rest] = words;
  if (network === undefined) throw new PilinkError("bad-argument", `Which network? Usage: ${usage}`);
  if (rest.length > 0) {
    throw new PilinkError(
      "bad-argument",
      `"${rest.join(" ")}" is one word too many; put quotes around what belongs together. Usage: ${usage}`,
      {
        value: rest,
      },
    );
  }
  if (!(await mayCutOff(scene, given.yes === true))) return session.say("Nothing was changed.");
  await session.leave();
  const attempt = session.beginEntering();
  const waiting = Promise.withResolvers<"waiting">();
  const entered = enterNetwork(
    { kind, network, flags: textsOf(given), about: textOf(given.about) },
    {
      folder: ctx.cwd,
      sessionName: session.sessionName(),
      model: ctx.model?.id,
      env: process.env,
      onWaiting: (reason, forMs) => {
        session.say(`${reason} Waiting up to ${Math.ceil(forMs / 1000)} s; /pilink leave ends the waiting.`, "warning");
        waiting.resolve("waiting");
      },
      signal: attempt.signal,
    },
  ).finally(() => session.endEntering(attempt));
  // A person should not have to sit out the waiting in the editor: what comes of it is told when it comes.
  const first = await Promise.race([entered, waiting.promise]);
  if (first !== "waiting") return welcome(kind, first, scene);
  entered.then(
    (late) => welcome(kind, late, scene),
    (error: unknown) => session.say(error instanceof Error ? error.message : String(error), "error"),
  );
}

function welcome(kind: EnterRequest["kind"], { connection, notes }: Entered, { session }: CommandScene): void {
  session.adopt(connection);
  const { peer } = connection;
  const lines =
    kind === "create"
      ? [
          `Created the network "${peer.network}"; this agent is its host, "${peer.name}".`,
          `Another agent joins it with: ${joinLine(connection)}`,
          `Watch the traffic with: ${watchLine(connection)}`,
        ]
      : [
          `Joined the network "${peer.network}" as "${peer.name}". ${describeCompany(connection)}`,
          ...(peer.about === undefined ? [] : [`It is about: ${peer.about}`]),
        ];
  session.say([...lines, ...notes].join("\n"));
}

function describeCompany({ peer }: Connection): string {
  const others = peer.roster().filter((entry) => !entry.isSelf);
  const names = others.map((entry) => (entry.isHost ? `${entry.name} (host)` : entry.name));
  return `${count(others.length, "other agent is", "other agents are")} here: ${names.join(", ")}.`;
}

function joinLine({ peer, broker }: Connection): string {
  return `/pilink join ${peer.network}${broker.isDefault ? "" : ` --url ${broker.url}`}`;
}

function watchLine({ peer, broker }: Connection): string {
  const { protocol, hostname, port } = new URL(broker.url);
  const host = hostname.replace(/^\[(.*)\]$/, "$1");
  const filter = `-v -t 'pilink/${peer.network}/#'`;
  if (protocol !== "mqtt:") return `mosquitto_sub -L ${broker.url}/… ${filter}`;
  return `mosquitto_sub -h ${host} -p ${port === "" ? "1883" : port} ${filter}`;
}

function textOf(value: string | boolean | undefined): string | undefined {
  return typeof value === "string" ? value : undefined;
}

function textsOf(given: Record<string, string | boolean | undefined>): EnterRequest["flags"] {
  const flags: EnterRequest["flags"] = {};
  for (const key of ["url", "name", "role"] as const) {
    const text = textOf(given[key]);
    if (text !== undefined) flags[key] = text;
  }
  return flags;
}
