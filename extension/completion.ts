import { localBroker, readHomeSettings } from "../peer/settings.ts";
import { isPilinkError } from "../protocol/errors.ts";
import { everybody } from "../protocol/names.ts";
import { homeFolder } from "../store/folder.ts";
import { findCarried } from "./connection.ts";
import { subcommandNames } from "./subcommands.ts";

/** What is there to complete with. */
export interface Known {
  networks: readonly string[];
  /** The aliases of brokers. */
  urls: readonly string[];
  /** The other agents of the network. */
  peers: readonly string[];
}

/** One way to go on. */
export interface Completion {
  /** All that stands after `/pilink ` then. */
  value: string;
  label: string;
}

/** What a subcommand takes: for each word what it may be, and which options there are. */
interface Grammar {
  words?: readonly ((known: Known) => readonly string[])[];
  /** Options with what may follow them; undefined where nothing does. */
  options?: Readonly<Record<string, ((known: Known) => readonly string[]) | undefined>>;
  /** True where the first word may be a list with commas. */
  isList?: boolean;
}

const nothing = (): readonly string[] => [];
const words = (...list: string[]) => [() => list];
const urls = ({ urls }: Known) => [...urls, localBroker];
const entering = { "--name": nothing, "--role": nothing, "--url": urls, "--yes": undefined };

const grammars: Readonly<Record<string, Grammar>> = {
  create: { options: { ...entering, "--about": nothing } },
  join: { words: [({ networks }) => networks], options: entering },
  leave: { options: { "--yes": undefined } },
  disconnect: { options: { "--yes": undefined } },
  send: { words: [({ peers }) => [...peers, everybody]], isList: true },
  inbox: { words: words("all", "clear") },
  sent: { words: words("all") },
  delivery: { words: [() => ["inject", "turn", "hold", "block", "default"], ({ peers }) => peers] },
  auto: { words: words("on", "off", "turn") },
  confirm: { words: words("on", "off") },
  server: { words: words("start", "stop", "status"), options: { "--url": urls } },
  help: { words: [() => subcommandNames] },
};

/**
 * Completes what follows a subcommand.
 *
 * @param line what stands after `/pilink `, from the subcommand on
 * @returns null where there is nothing to offer; also for a complete word, because with a list open Enter takes from the
 *   list instead of sending the line
 */
export function completeLine(line: string, known: Known): Completion[] | null {
  const parts = line.split(/\s+/);
  const [subcommand = "", ...rest] = parts;
  const grammar = Object.hasOwn(grammars, subcommand) ? grammars[subcommand] : undefined;
  // Inside of quotes nothing is a name.
  if (grammar === undefined || rest.length === 0 || /["']/.test(line)) return null;
  const word = rest.at(-1) ?? "";
  const before = line.slice(0, line.length - word.length);
  const isListed = grammar.isList === true && rest.length === 1;
  const [listed, last] = isListed ? splitList(word) : ["", word];
  const taken = new Set(listed.split(","));
  if (taken.has(everybody)) return null;
  const choices = choicesFor(grammar, rest.slice(0, -1), word, known).filter(
    (choice) => !taken.has(choice) && !(listed !== "" && choice === everybody),
  );
  const fitting = choices.filter((choice) => choice.startsWith(last));
  if (fitting.length === 0 || fitting.includes(last)) return null;
  return fitting.map((choice) => ({ value: `${before}${listed}${choice}`, label: choice }));
}

function choicesFor({ words = [], options = {} }: Grammar, before: string[], word: string, known: Known): string[] {
  let position = 0;
  let open: ((known: Known) => readonly string[]) | undefined;
  const used = new Set<string>();
  for (const each of before) {
    if (open !== undefined) open = undefined;
    else if (Object.hasOwn(options, each)) {
      used.add(each);
      open = options[each];
    } else position += 1;
  }
  if (open !== undefined) return [...open(known)];
  // Offered only when asked for: Enter after a space should send the line.
  if (word.startsWith("-")) return Object.keys(options).filter((option) => !used.has(option));
  return [...(words[position]?.(known) ?? [])];
}

/** Splits a list into what is complete, with its comma, and the part that is being typed. */
function splitList(word: string): [string, string] {
  const comma = word.lastIndexOf(",") + 1;
  return [word.slice(0, comma), word.slice(comma)];
}

/** The same with what this Pi knows at the moment. */
export function completeHere(line: string): Completion[] | null {
  const carried = findCarried();
  const { networks, urls } = readHome();
  const peers = carried?.connection?.peer.roster() ?? [];
  return completeLine(line, {
    networks: [...new Set([...(carried?.knownNetworks ?? []), ...networks])],
    urls,
    peers: peers.filter(({ isSelf }) => !isSelf).map(({ name }) => name),
  });
}

function readHome(): { networks: string[]; urls: string[] } {
  try {
    const { networks = {}, urls = {}, folders = {}, network } = readHomeSettings(homeFolder(process.env));
    const used = [network, ...Object.values(folders).map((folder) => folder.network)];
    return {
      networks: [...Object.keys(networks), ...used.filter((name) => name !== undefined)],
      urls: Object.keys(urls),
    };
  } catch (error) {
    // The next command says what is wrong with the configuration; while somebody types is no moment for it.
    if (!isPilinkError(error)) throw error;
    return { networks: [], urls: [] };
  }
}
