import type { EnterPlan } from "../../peer/plan.ts";
import { count, describeFault } from "../../peer/texts.ts";
import { parseAddress } from "../../protocol/address.ts";
import { cleanLine } from "../../protocol/clean.ts";
import { PilinkError } from "../../protocol/errors.ts";
import { askAccount } from "../account.ts";
import { type Arguments, parseArguments } from "../arguments.ts";
import { runAttempt } from "../attempt.ts";
import type { Subcommand } from "../commands.ts";
import type { Connection } from "../connection.ts";
import { type Entered, type EnterRequest, enterHere, planEntering } from "../entering.ts";
import { mayCutOff, type Scene } from "./joined.ts";

const aboutCharactersLimit = 500;

const options = { name: "text", role: "text", url: "text", yes: "switch" } as const;

/** `/pilink create` */
export const createCommand: Subcommand = {
  name: "create",
  usage: '/pilink create <network> [--name <name>] [--role "<role>"] [--about "<text>"] [--url <url>] [--yes]',
  summary: "Creates a network and becomes its host. The network lives as long as this agent is in it.",
  run: (line, scene) => enter(read("create", line, { ...options, about: "text" }, createCommand.usage), scene),
};

/** `/pilink join` */
export const joinCommand: Subcommand = {
  name: "join",
  usage: '/pilink join <network> [--name <name>] [--role "<role>"] [--url <url>] [--yes]',
  summary: "Joins a network that another agent hosts.",
  run: (line, scene) => enter(read("join", line, options, joinCommand.usage), scene),
};

/** What a person asked for, in whichever way. */
export interface Entrance extends EnterRequest {
  /** True where the person has agreed to end a network that this agent hosts. */
  yes: boolean;
  /**
   * True where Pi was started with it: no account is asked for, what was made of the words is a warning, because a
   * script sees nothing of the welcome, and what is wrong is told of Pi's flags.
   */
  isStart?: boolean;
  /** Called when the network was entered. */
  onEntered?: (connection: Connection) => Promise<void>;
}

function read(
  kind: Entrance["kind"],
  line: string,
  table: Parameters<typeof parseArguments>[1],
  usage: string,
): Entrance {
  const { words, options: given }: Arguments = parseArguments(line, table, usage, 1);
  const flags = Object.fromEntries(
    (["name", "role", "url"] as const).flatMap((key) => (typeof given[key] === "string" ? [[key, given[key]]] : [])),
  );
  const about = typeof given.about === "string" ? given.about : undefined;
  return { kind, network: words[0], flags, about, yes: given.yes === true, usage };
}

/**
 * Creates or joins a network, and then leaves the one before. What comes of it is told in notices.
 *
 * @returns when that is done, or when it takes so long that the person should not have to wait
 * @throws PilinkError what is wrong with the request; then nothing was left
 */
export async function enter(entrance: Entrance, scene: Scene): Promise<void> {
  const { session, ctx } = scene;
  // Everything that can be wrong with the request is found out before anything is left for it.
  const planned = planEntering(entrance, { ctx, sessionName: session.sessionName() });
  const { isStart = false } = entrance;
  const plan = isStart ? { ...planned, notes: [], warnings: [...planned.warnings, ...planned.notes] } : planned;
  const former = session.connection?.peer;
  if (session.connection !== undefined) requireAnotherNetwork(session.connection, plan);
  if (!(await mayCutOff(scene, entrance.yes))) return session.say(`Still in the network "${former?.network}".`);
  if (former?.state === "closed") await session.leave();
  // Told before the attempt: it may be the reason why that fails.
  for (const warning of plan.warnings) session.say(warning, "warning");
  const waiting = Promise.withResolvers<void>();
  const onWaiting = (reason: string, forMs: number) => {
    session.say(`${reason} Waiting up to ${Math.ceil(forMs / 1000)} s; /pilink leave ends the waiting.`, "warning");
    waiting.resolve();
  };
  const attempt = runAttempt(session.carried, async (signal) => {
    const { connection, notes } = await enterWithAccount(plan, onWaiting, signal, isStart ? undefined : ctx);
    if (signal.aborted) return connection.peer.leave();
    // Only now: a network that could not be entered is no reason to give up the one before.
    if (former !== undefined && session.connection?.peer === former) {
      await session.leave();
      session.say(`Left the network "${former.network}".`);
    }
    if (!session.adopt(connection)) await connection.peer.leave();
    else {
      session.say([...welcome(connection), ...notes].join("\n"), "info", true);
      await entrance.onEntered?.(connection);
    }
  });
  // A person should not have to sit out the waiting in the editor: what comes of it is told when it comes.
  await Promise.race([attempt, waiting.promise]);
  attempt.catch((error: unknown) => session.say(isStart ? describeStartFault(error) : describeFault(error), "error"));
}

/** What a person reads of a start that failed: it names the options of commands, of which Pi has flags. */
export function describeStartFault(thrown: unknown): string {
  return describeFault(thrown).replace(/(?<![\w-])--name\b/g, "--pilink-name");
}

/** Enters; where the broker wants an account and none is set, asks for one and tries once more. */
async function enterWithAccount(
  plan: EnterPlan,
  onWaiting: (reason: string, forMs: number) => void,
  signal: AbortSignal,
  ctx: Scene["ctx"] | undefined,
): Promise<Entered> {
  try {
    return await enterHere(plan, onWaiting, signal);
  } catch (error) {
    if (ctx === undefined) throw error;
    const { username, url } = plan.settings;
    const address = url === undefined ? undefined : parseAddress(url);
    const isSet = username !== undefined || address?.username !== undefined;
    const account = await askAccount(ctx, error, isSet, address?.url ?? "of this home");
    if (account === undefined) throw error;
    return enterHere({ ...plan, settings: { ...plan.settings, ...account } }, onWaiting, signal);
  }
}

/**
 * Leaving a network to enter the same one again is nobody's wish: a member that creates it would only lose its place.
 *
 * @throws PilinkError `bad-argument`
 */
function requireAnotherNetwork({ peer, broker }: Connection, { network, settings: { url } }: EnterPlan): void {
  const isSameBroker = url === undefined ? broker.isDefault : parseAddress(url).url === broker.url;
  if (peer.network !== network || peer.state === "closed" || !isSameBroker) return;
  throw new PilinkError(
    "bad-argument",
    `This agent is in the network "${network}" already, as "${peer.name}". To enter it anew, run /pilink leave first.`,
    { value: network },
  );
}

function welcome(connection: Connection): string[] {
  const { peer } = connection;
  if (peer.kind === "member") {
    return [
      `Joined the network "${peer.network}" as "${peer.name}". ${describeCompany(connection)}`,
      // On one line: a host must not add lines that look like ours.
      ...(peer.about === undefined ? [] : [`It is about: ${cleanLine(peer.about, aboutCharactersLimit)}`]),
    ];
  }
  const watching = watchLine(connection);
  // What is to be pasted has a line of its own, which breaks in no terminal of usual width.
  return [
    `Created the network "${peer.network}"; this agent is its host, "${peer.name}".`,
    "Another agent joins it with:",
    joinLine(connection),
    ...(watching === undefined ? [] : ["Watch the traffic with:", watching]),
  ];
}

function describeCompany({ peer }: Connection): string {
  const others = peer.roster().filter((entry) => !entry.isSelf);
  const names = others.map((entry) => (entry.isHost ? `${entry.name} (host)` : entry.name));
  return `${count(others.length, "other agent is", "other agents are")} here: ${names.join(", ")}.`;
}

function joinLine({ peer, broker }: Connection): string {
  return `/pilink join ${peer.network}${broker.isDefault ? "" : ` --url ${broker.url}`}`;
}

/** The line that shows the traffic in a terminal, or undefined where `mosquitto_sub` does not speak the transport. */
export function watchLine({ peer, broker }: Connection): string | undefined {
  const { protocol, hostname, port } = new URL(broker.url);
  const isTls = protocol === "mqtts:";
  if (!isTls && protocol !== "mqtt:") return undefined;
  const parts = [
    "mosquitto_sub",
    `-h ${hostname.replace(/^\[(.*)\]$/, "$1")}`,
    `-p ${port === "" ? (isTls ? "8883" : "1883") : port}`,
    ...(isTls ? ["--tls-use-os-certs"] : []),
    ...(broker.hasAccount ? ["-u <user> -P <password>"] : []),
    `-v -t 'pilink/${peer.network}/#'`,
  ];
  return parts.join(" ");
}
