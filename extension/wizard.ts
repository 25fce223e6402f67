import { basename } from "node:path";
import type { ExtensionCommandContext } from "@earendil-works/pi-coding-agent";
import type { FoundNetwork } from "../peer/networks.ts";
import { localBroker, readHomeSettings, type Settings } from "../peer/settings.ts";
import { count } from "../peer/texts.ts";
import { describeAddress, isPrivateHost, parseAddress } from "../protocol/address.ts";
import { PilinkError } from "../protocol/errors.ts";
import { makeName, nextName, parseName } from "../protocol/names.ts";
import { askAccount } from "./account.ts";
import type { CommandScene } from "./commands.ts";
import { askLine } from "./line-question.ts";
import { type Look, lookAround } from "./looking.ts";
import { isAgreed } from "./question.ts";
import { settingsHere } from "./settings.ts";

/** What a person chose in the wizard. */
export interface Wish {
  kind: "create" | "join";
  network: string;
  /** What was chosen beside the network; what was not is as the settings have it. */
  flags: Settings;
  home: string;
}

/** What the wizard knows of the broker and of this folder, each time it shows its first list. */
interface View extends Look {
  home: string;
  settings: Settings;
  /** The name that this agent will have. */
  name: string;
  /** The network that was used here last, or that is set. */
  usual: string | undefined;
  /** The network that this agent is in, where it is one of those that were found. */
  own: string | undefined;
}

/** Where a choice leads: to the end, or to the first list again; nowhere where the person gave up. */
type Step = { done: Wish } | { flags: Settings; isBrokerChosen?: boolean } | undefined;

interface Choice {
  label: string;
  take(): Promise<Step>;
}

const searchKey = "pilink-search";

/**
 * Asks a person which network to enter, and where. It looks, and changes nothing.
 *
 * @returns undefined where the person gave up at any step
 * @throws PilinkError `bad-config`, `state-unusable`
 */
export async function askEntrance(scene: CommandScene): Promise<Wish | undefined> {
  let flags: Settings = {};
  for (let isBrokerChosen = false; ; ) {
    const view = await takeView(scene, flags);
    const account = await askAccount(scene.ctx, view.fault, view.settings.username !== undefined, brokerOf(view));
    const step: Step =
      account === undefined ? await choose(scene, view, flags, isBrokerChosen) : { flags: { ...flags, ...account } };
    if (step === undefined) return undefined;
    if ("done" in step) return step.done;
    flags = step.flags;
    isBrokerChosen = "isBrokerChosen" in step;
  }
}

async function takeView({ session, ctx }: CommandScene, flags: Settings): Promise<View> {
  const { home, values } = settingsHere(ctx, flags);
  ctx.ui.setStatus(searchKey, "pilink looks for networks …");
  try {
    const look = await lookAround(home, values);
    session.carried.knownNetworks = look.networks.map(({ network }) => network);
    const { peer } = session.connection ?? {};
    const isOwn = ({ network, host }: FoundNetwork) => network === peer?.network && host === peer.status().host;
    return {
      ...look,
      own: look.networks.find(isOwn)?.network,
      home,
      settings: values,
      name: values.name ?? makeName(session.sessionName() ?? basename(ctx.cwd)),
      usual: values.network,
    };
  } finally {
    ctx.ui.setStatus(searchKey, undefined);
  }
}

async function choose(scene: CommandScene, view: View, flags: Settings, isBrokerChosen: boolean): Promise<Step> {
  const { ctx } = scene;
  const { fault, home } = view;
  const join = (network: string): Step => ({ done: { kind: "join", network, flags, home } });
  const canTry = fault === undefined || fault.code === "broker-forbids";
  const choices: Choice[] = [
    ...sortFound(view).map((found) => ({ label: describeFound(found), take: async () => join(found.network) })),
    ...(fault?.code === "broker-forbids"
      ? [{ label: "Join a network by its name…", take: async () => askJoin(ctx, view, join) }]
      : []),
    ...(canTry
      ? [{ label: "Create a network", take: async () => askCreate(ctx, view, flags) }]
      : [{ label: "Try again", take: async () => ({ flags: dropAccount(flags) }) }]),
    { label: "Another broker…", take: async () => askBroker(ctx, view, flags) },
    { label: `Another name than "${view.name}"…`, take: async () => askOwnName(ctx, view, flags) },
  ];
  // The list may be the same as before: it says itself what the choice has changed.
  const chosen = isBrokerChosen
    ? `Broker now: ${view.settings.url === undefined ? "pilink's own on " : ""}${brokerOf(view)}.\n`
    : "";
  const reason = fault === undefined ? chosen : `${fault.message}\n`;
  const what = canTry && view.networks.length === 0 && fault === undefined ? "no network yet" : "networks";
  const picked = await ctx.ui.select(
    `${reason}pilink: ${what} on ${brokerOf(view)}${view.own === undefined ? "" : `; this agent is in "${view.own}"`}`,
    choices.map(({ label }) => label),
  );
  return choices.find(({ label }) => label === picked)?.take();
}

/** An account that was typed here and did not do is asked for again. */
function dropAccount({ username: _username, password: _password, ...flags }: Settings): Settings {
  return flags;
}

/** Those that can be joined first, of those the one that was used here last. */
function sortFound({ networks, usual, own }: View): FoundNetwork[] {
  const rank = ({ isOpen, network }: FoundNetwork) => (isOpen ? 0 : 2) + (network === usual ? 0 : 1);
  return networks.filter(({ network }) => network !== own).toSorted((a, b) => rank(a) - rank(b));
}

function describeFound({ network, host, isOpen, agents }: FoundNetwork): string {
  return `Join ${network} (host ${host}${isOpen ? `, ${count(agents, "agent")}` : " not reachable"})`;
}

function brokerOf({ settings: { url } }: View): string {
  return url === undefined ? "this machine" : describeAddress(parseAddress(url).url);
}

function askJoin(ctx: ExtensionCommandContext, { usual }: View, join: (network: string) => Step): Promise<Step> {
  return askLine(ctx, "Name of the network", usual, (text) => join(parseName(text, "network")));
}

function askCreate(ctx: ExtensionCommandContext, view: View, flags: Settings): Promise<Step> {
  const { networks, home } = view;
  const taken = new Map(networks.filter(({ isOpen }) => isOpen).map((found) => [found.network, found]));
  let offer = view.usual ?? makeName(basename(ctx.cwd), "lab");
  while (taken.has(offer)) offer = nextName(offer);
  return askLine(ctx, "Name of the new network", offer, (text) => {
    const network = parseName(text, "network");
    const found = taken.get(network);
    if (found !== undefined) {
      throw new PilinkError(
        "network-exists",
        `The network "${network}" is there already; its host is "${found.host}".`,
        {
          value: network,
        },
      );
    }
    return { done: { kind: "create", network, flags, home } };
  });
}

function askOwnName(ctx: ExtensionCommandContext, { name }: View, flags: Settings): Promise<Step> {
  return askLine(ctx, "Name of this agent", name, (text) => ({ flags: { ...flags, name: parseName(text) } }));
}

async function askBroker(ctx: ExtensionCommandContext, view: View, flags: Settings): Promise<Step> {
  const use = (url: string): Step => ({ flags: { ...flags, url }, isBrokerChosen: true });
  const { urls = {} } = readHomeSettings(view.home);
  const choices: Choice[] = [
    ...Object.entries(urls).map(([alias, url]) => ({
      label: `${alias} (${describeAddress(parseAddress(url).url)})`,
      take: async () => use(url),
    })),
    { label: "Local: pilink's own on this machine", take: async () => use(localBroker) },
    { label: "LAN: one on a trusted network", take: () => askAddress(ctx, lan, use) },
    { label: "Remote: mqtts:// or wss://", take: () => askAddress(ctx, remote, use) },
  ];
  const picked = await ctx.ui.select(
    "Which broker?",
    choices.map(({ label }) => label),
  );
  return choices.find(({ label }) => label === picked)?.take();
}

/** What is asked about a broker's address, and the scheme of one that was typed without. */
interface AddressQuestion {
  title: string;
  scheme: string;
}

const lan: AddressQuestion = {
  title:
    "Address of the broker, as 192.168.1.20. Only for trusted networks: without TLS everybody on the way can read along",
  scheme: "mqtt://",
};
const remote: AddressQuestion = { title: "Address of the broker, as mqtts://broker.example", scheme: "mqtts://" };

async function askAddress(
  ctx: ExtensionCommandContext,
  { title, scheme }: AddressQuestion,
  use: (url: string) => Step,
): Promise<Step> {
  const typed = await askLine(ctx, title, undefined, (text) => {
    const url = text.includes("://") ? text : `${scheme}${text}`;
    return { url, address: parseAddress(url) };
  });
  if (typed === undefined) return undefined;
  const {
    url,
    address: { host, isEncrypted },
  } = typed;
  if (isEncrypted || isPrivateHost(host)) return use(url);
  const isWanted = await isAgreed(ctx, {
    title: `Use ${host} without encryption?`,
    text: `${describeAddress(url)} is a public address without TLS. Everybody on the way can read the messages and the password, and change them. Better: mqtts:// or wss://.`,
    no: "do not use it",
    yes: "use it all the same",
  });
  return isWanted ? use(url) : undefined;
}
