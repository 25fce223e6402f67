import { findAgents } from "../../peer/networks.ts";
import { describeTime } from "../../peer/texts.ts";
import { cleanLine } from "../../protocol/clean.ts";
import { PilinkError } from "../../protocol/errors.ts";
import { chooseBackground } from "../background/choice.ts";
import { agentsSchema } from "../background/control.ts";
import { ask } from "../background/conversation.ts";
import { readRecords } from "../background/record.ts";
import type { Context } from "../context.ts";
import { type ExitCode, exitCodes } from "../exit-codes.ts";
import type { Given } from "../given.ts";
import { type ShownAgent, showPresence } from "../message.ts";
import type { Output } from "../output.ts";
import { type Place, placeHere, requireNetwork } from "../place.ts";
import { findBroker } from "./networks.ts";

/** `pilink agents` */
export async function runAgents(network: string | undefined, options: Given, context: Context): Promise<ExitCode> {
  const place = placeHere({ network, name: options.as, url: options.url });
  const { agents, inNetwork } =
    (options.url === undefined ? await askBackground(place, context) : undefined) ?? (await lookAt(place));
  for (const agent of agents) {
    await context.output.result({ network: inNetwork, ...agent }, describeAgent(agent, context.output));
  }
  return exitCodes.done;
}

interface Found {
  inNetwork: string;
  agents: ShownAgent[];
}

async function askBackground(place: Place, { signal }: Context): Promise<Found | undefined> {
  // Any of those in a network knows who is in it; only where no network is named it matters which one is asked.
  const [inNetwork] = (await readRecords(place.home)).filter(
    ({ record, isAlive }) => isAlive && record.network === place.values.network,
  );
  const isNamed = place.values.network === undefined || place.isNameChosen;
  const record = isNamed ? await chooseBackground(place) : inNetwork?.record;
  if (record === undefined) return undefined;
  const answer = await ask(record, { command: "agents" }, agentsSchema, signal);
  answer?.close();
  return answer === undefined ? undefined : { inNetwork: record.network, agents: answer.value.agents };
}

async function lookAt(place: Place): Promise<Found> {
  const network = requireNetwork(place);
  const url = await findBroker(place);
  const { username, password, ca } = place.values;
  const found =
    url === undefined ? undefined : await findAgents({ home: place.home, url, username, password, ca }, network);
  if (found === undefined) {
    throw new PilinkError(
      "network-not-found",
      `There is no network "${network}". pilink networks lists those that run; pilink join ${network} --create --background creates it.`,
      { value: network },
    );
  }
  const agents = found.map(
    ({ name, record, isHost, isAnswering }): ShownAgent => ({
      name,
      state: isAnswering ? "online" : "lost",
      host: isHost,
      self: false,
      ...showPresence(record),
    }),
  );
  return { inNetwork: network, agents };
}

function describeAgent({ name, state, host, self, since, ...told }: ShownAgent, output: Output): string {
  const marks = [...(self ? ["this peer"] : []), ...(host ? ["host"] : []), ...(state === "lost" ? ["offline"] : [])];
  const shown = (text: string | undefined) => (text === undefined ? [] : [cleanLine(text, 100)]);
  const where = [told.machine, told.folder, told.model].flatMap(shown).join(" / ");
  return [
    `${output.styled("bold", name)}${marks.length === 0 ? "" : ` (${marks.join(", ")})`}`,
    ...shown(told.role),
    ...shown(state === "lost" ? undefined : told.activity),
    ...(where === "" ? [] : [where]),
    `since ${describeTime(since)}`,
  ].join(" — ");
}
