import { changeHomeConfig } from "../../peer/config-file.ts";
import { type Delivery, peerKey } from "../../peer/preferences.ts";
import { PilinkError, quoteValue } from "../../protocol/errors.ts";
import { isJsonObject } from "../../protocol/json.ts";
import { parseName } from "../../protocol/names.ts";
import { homeFolder } from "../../store/folder.ts";
import { parseArguments } from "../arguments.ts";
import type { CommandScene, Subcommand } from "../commands.ts";
import type { Connection } from "../connection.ts";
import { settingsHere } from "../settings.ts";

const meanings = {
  inject: "messages appear in the session, and no turn starts",
  turn: "messages appear in the session, and the model starts a turn on them",
  hold: "messages wait in the inbox, with a notice",
  block: "messages are refused, and their sender is told",
} as const;

/** `/pilink delivery` */
export const deliveryCommand: Subcommand = {
  name: "delivery",
  usage: "/pilink delivery [inject|turn|hold [<peer>] | block|default <peer>]",
  summary: "Says or sets what happens with messages that arrive, from now on and at the next start.",
  async run(line, scene) {
    const { words } = parseArguments(line, {}, deliveryCommand.usage, 2);
    const [wanted, typed] = words;
    if (wanted === undefined) return describeDelivery(scene);
    if (!isDelivery(wanted) && wanted !== "block" && wanted !== "default") throw unknown(wanted);
    if (typed !== undefined) {
      const name = parseName(typed);
      return wanted === "default" ? takeBack(scene, name) : setForPeer(scene, wanted, name);
    }
    if (wanted === "block" || wanted === "default") throw whom(wanted);
    await setForAll(scene, wanted);
  },
};

/** `/pilink auto` */
export const autoCommand: Subcommand = {
  name: "auto",
  usage: "/pilink auto on|off|turn",
  summary: "The same in other words: on is delivery inject, off is hold, turn is turn.",
  async run(line, scene) {
    const { words } = parseArguments(line, {}, autoCommand.usage, 1);
    const [word] = words;
    if (word === undefined) return describeDelivery(scene);
    const wanted = new Map<string, Delivery>([
      ["on", "inject"],
      ["off", "hold"],
      ["turn", "turn"],
    ]).get(word);
    if (wanted === undefined) {
      throw new PilinkError(
        "bad-argument",
        `${quoteValue(word)} is none of on, off and turn. Usage: ${autoCommand.usage}`,
        {
          value: word,
        },
      );
    }
    await setForAll(scene, wanted);
  },
};

/** `/pilink confirm` */
export const confirmCommand: Subcommand = {
  name: "confirm",
  usage: "/pilink confirm [on|off]",
  summary: "With on, each message that the model wants to send is shown to you first.",
  async run(line, { session }) {
    const { words } = parseArguments(line, {}, confirmCommand.usage, 1);
    const [word] = words;
    const { preferences } = session.connection ?? {};
    if (word === undefined) {
      if (preferences === undefined) throw notJoined();
      return session.say(
        `Messages of the model ${preferences.confirm ? "are shown to you before they go" : "go without a question"}.`,
      );
    }
    if (word !== "on" && word !== "off") {
      throw new PilinkError(
        "bad-argument",
        `${quoteValue(word)} is neither on nor off. Usage: ${confirmCommand.usage}`,
        {
          value: word,
        },
      );
    }
    const confirm = word === "on";
    await changeHomeConfig(homeFolder(process.env), (held) => ({ ...held, confirm }));
    if (preferences !== undefined) preferences.confirm = confirm;
    session.say(
      confirm
        ? "From now on each message that the model wants to send is shown to you first."
        : "From now on the model's messages go without a question.",
    );
  },
};

function describeDelivery({ session }: CommandScene): void {
  const { connection } = session;
  if (connection === undefined) throw notJoined();
  const { preferences, peer } = connection;
  const own = Object.entries(preferences.deliveries).flatMap(([key, delivery]) => {
    const [network, name] = key.split("/");
    return network === peer.network && name !== undefined ? [`  ${name}: ${delivery}`] : [];
  });
  session.say(
    [
      `Delivery in the network "${peer.network}": ${preferences.delivery} (${meanings[preferences.delivery]}).`,
      ...(own.length === 0 ? [] : ["Otherwise for:", ...own]),
    ].join("\n"),
  );
}

async function setForAll({ session }: CommandScene, delivery: Delivery): Promise<void> {
  await changeHomeConfig(homeFolder(process.env), (held) => ({ ...held, delivery }));
  if (session.connection !== undefined) session.connection.preferences.delivery = delivery;
  session.say(`Delivery is ${delivery} now: ${meanings[delivery]}.${describeOverride(session.connection)}`);
  session.refresh();
}

async function setForPeer({ session }: CommandScene, delivery: Delivery | "block", name: string): Promise<void> {
  const { connection } = session;
  if (connection === undefined) throw notJoined();
  const { peer, preferences } = connection;
  const key = peerKey(peer.network, name);
  await changeHomeConfig(homeFolder(process.env), (held) => {
    const deliveries = isJsonObject(held.deliveries) ? held.deliveries : {};
    return { ...held, deliveries: { ...deliveries, [key]: delivery } };
  });
  preferences.deliveries[key] = delivery;
  const isHere = peer.roster().some((entry) => entry.name === name);
  session.say(
    [
      `Delivery for "${name}" in the network "${peer.network}" is ${delivery} now: ${meanings[delivery]}.`,
      ...(isHere ? [] : [`No agent "${name}" is here at the moment; it holds when one comes.`]),
    ].join(" "),
  );
  session.refresh();
}

/** Takes back what was set for one agent: it has what all have again. */
async function takeBack({ session, ctx }: CommandScene, name: string): Promise<void> {
  const { connection } = session;
  if (connection === undefined) throw notJoined();
  const { peer, preferences } = connection;
  const key = peerKey(peer.network, name);
  const before = preferences.deliveries[key];
  await changeHomeConfig(homeFolder(process.env), (held) => {
    if (!isJsonObject(held.deliveries)) return held;
    const { [key]: _former, ...deliveries } = held.deliveries;
    return { ...held, deliveries };
  });
  // What the folder's file says of this agent was not taken back with it.
  const left = settingsHere(ctx).values.deliveries?.[key];
  if (left === undefined) delete preferences.deliveries[key];
  else preferences.deliveries[key] = left;
  const now = left ?? preferences.delivery;
  const what = `${now}: ${meanings[now]}`;
  session.say(
    left !== undefined
      ? `Delivery for "${name}" in the network "${peer.network}" is ${what}. The file .pilink.json of this folder says so.`
      : before === undefined
        ? `Nothing was set for "${name}" in the network "${peer.network}"; its delivery is that of all, ${what}.`
        : `Delivery for "${name}" in the network "${peer.network}" is that of all again, ${what}.`,
  );
  session.refresh();
}

/** What a person set for single peers stands above what is now set for all. */
function describeOverride(connection: Connection | undefined): string {
  const { PILINK_DELIVERY: ofEnvironment } = process.env;
  if (ofEnvironment !== undefined && ofEnvironment !== "") {
    return ` At the next start PILINK_DELIVERY=${ofEnvironment} holds again.`;
  }
  if (connection === undefined) return "";
  const { peer, preferences } = connection;
  const others = Object.entries(preferences.deliveries).filter(([key]) => key.startsWith(`${peer.network}/`));
  if (others.length === 0) return "";
  const list = others.map(([key, delivery]) => `${key.slice(peer.network.length + 1)} ${delivery}`);
  return ` What is set for single agents stays: ${list.join(", ")}.`;
}

function isDelivery(word: string): word is Delivery {
  return word === "inject" || word === "turn" || word === "hold";
}

function whom(wanted: "block" | "default"): PilinkError {
  const otherwise =
    wanted === "block"
      ? "To take no messages at all, leave the network."
      : "It takes back what was set for one agent; for all, say which delivery they get.";
  return new PilinkError("bad-argument", `Whom? ${otherwise} Usage: ${deliveryCommand.usage}`);
}

function notJoined(): PilinkError {
  return new PilinkError(
    "not-joined",
    "This agent is in no network. Run /pilink config to see what is set, /pilink join <network> to enter one.",
  );
}

function unknown(word: string): PilinkError {
  return new PilinkError(
    "bad-argument",
    `${quoteValue(word)} is none of inject, turn, hold, block and default. Usage: ${deliveryCommand.usage}`,
    { value: word },
  );
}
