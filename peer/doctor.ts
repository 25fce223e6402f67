import { parseAddress } from "../protocol/address.ts";
import { isPilinkError, messageOf, type PilinkError } from "../protocol/errors.ts";
import { isName, parseName } from "../protocol/names.ts";
import { readAuthorities } from "./certificate.ts";
import type { ResolvedSettings } from "./config.ts";
import { type Access, type Examination, examineBroker } from "./examination.ts";
import { findNetworks } from "./networks.ts";
import type { Peer } from "./peer.ts";
import { defaults, type Settings } from "./settings.ts";
import { isDeadHere } from "./state.ts";
import { checkStateFolder } from "./state-check.ts";
import {
  type Check,
  judgeAccount,
  judgeBroker,
  judgeClock,
  judgeEnded,
  judgeFault,
  judgeHost,
  judgeLink,
  judgeNetworks,
  judgeOthers,
  judgeOwnRecord,
  judgeRejected,
  judgeRights,
  type ManagedBroker,
  type Place,
} from "./verdicts.ts";

/** What the doctor looks at. It changes nothing of it. */
export interface Patient {
  /** The folder of all state. */
  home: string;
  /** Reads the settings. @throws PilinkError `bad-config` */
  readSettings(): ResolvedSettings;
  /** The configuration files that are there. */
  files: string[];
  /** The name that this agent takes where none is set. */
  usualName: string;
  /** Asks about the managed broker at an address, or about the home's own; must not start one. */
  findManaged(url: string | undefined): Promise<ManagedBroker | undefined>;
  /** Asks about every managed broker of the home that runs. */
  listManaged(): Promise<ManagedBroker[]>;
  /** The version of this package. */
  version: string;
  /** The network that this agent is in, where it is in one. */
  joined: { peer: Peer; isDefaultBroker: boolean; hasAccount: boolean } | undefined;
}

const leftOut = "/pilink config shows what holds now; /trust is where you say that you trust a folder.";

// Each part ends by itself after about as long; these limits are for what hangs where nobody thought of it.
const limits = { managedMs: 2_200, brokerMs: 7_400, folderMs: 3_000 } as const;

/**
 * Examines everything that pilink needs: the settings, the broker, the account, the rights, the host, the inbox, the
 * clock. It starts no broker, enters no network and leaves nothing behind. It ends within 10 s, whatever hangs, and
 * shows no credential.
 */
export async function examine(patient: Patient): Promise<Check[]> {
  const { joined } = patient;
  const settings = attempt(() => patient.readSettings());
  const config = checkConfig(patient, settings);
  const peer =
    joined !== undefined && joined.peer.state !== "closed" && joined.peer.state !== "left" ? joined.peer : undefined;
  if ("fault" in settings && peer === undefined) {
    const text = "which one is meant is not known while the configuration cannot be read";
    const wayOut = "Mend the configuration, then run the doctor again.";
    return [...config, { name: "broker", verdict: "warning", text, wayOut }];
  }
  const values = "fault" in settings ? {} : settings.value.values;
  const named = attempt(() => nameHere(patient, values));
  if ("fault" in named && peer === undefined) {
    return [...config, judgeFault("config", named.fault, "/pilink config shows where it is set.")];
  }
  const { network, name } = peer ?? ("fault" in named ? { network: undefined, name: patient.usualName } : named.value);
  const isDefault = peer === undefined ? values.url === undefined : joined?.isDefaultBroker === true;
  const url = peer === undefined ? values.url : isDefault ? undefined : peer.status().url;
  const managed = await within(limits.managedMs, "broker", patient.findManaged(url));
  const managedBroker = "found" in managed ? managed.found : undefined;
  const account = accountOf(values);
  const place: Place = {
    address: shownAddress(url ?? managedBroker?.url ?? peer?.status().url),
    managed: managedBroker,
    network,
    name,
    hasAccount: peer === undefined ? account.username !== undefined : joined?.hasAccount === true,
    isJoined: peer !== undefined,
    version: patient.version,
  };
  const [broker, others, folder] = await Promise.all([
    checkBroker(patient, place, { peer, values, account }),
    within(limits.managedMs, "brokers", patient.listManaged()),
    within(limits.folderMs, "inbox", checkStateFolder(patient.home, place, isDefault)),
  ]);
  return [
    ...config,
    ...("check" in managed ? [managed.check] : []),
    ...(joined !== undefined && peer === undefined ? [judgeEnded(joined.peer.network)] : []),
    ...broker,
    ...("check" in others ? [others.check] : judgeOthers(others.found, managedBroker)),
    "check" in folder ? folder.check : folder.found,
    ...(peer === undefined ? [] : [judgeRejected(peer.status())]),
  ];
}

type Attempt<Value> = { value: Value } | { fault: PilinkError };

function attempt<Value>(work: () => Value): Attempt<Value> {
  try {
    return { value: work() };
  } catch (error) {
    if (!isPilinkError(error)) throw error;
    return { fault: error };
  }
}

function checkConfig({ files }: Patient, settings: Attempt<ResolvedSettings>): Check[] {
  if ("fault" in settings) return [judgeFault("config", settings.fault)];
  const { sources, notes } = settings.value;
  const isSet = Object.values(sources).some((source) => source !== "default");
  const where = files.length === 0 ? "there is no configuration file" : `read ${files.join(" and ")}`;
  const text = isSet ? where : `${where}, so the defaults hold`;
  return [
    { name: "config", verdict: "ok", text },
    ...notes.map((text): Check => ({ name: "config", verdict: "warning", text, wayOut: leftOut })),
  ];
}

function nameHere({ usualName }: Patient, values: Settings): { network: string | undefined; name: string } {
  return {
    network: values.network === undefined ? undefined : parseName(values.network, "network"),
    name: values.name === undefined ? usualName : parseName(values.name),
  };
}

function accountOf({ url, username, password }: Settings): Pick<Access, "username" | "password"> {
  const inAddress = url === undefined ? undefined : parseAddress(url);
  return { username: username ?? inAddress?.username, password: password ?? inAddress?.password };
}

function shownAddress(url: string | undefined): string | undefined {
  return url === undefined ? undefined : parseAddress(url).url;
}

interface Means {
  peer: Peer | undefined;
  values: Settings;
  account: Pick<Access, "username" | "password">;
}

async function checkBroker(patient: Patient, place: Place, means: Means): Promise<Check[]> {
  const { peer, values } = means;
  const url = place.address;
  if (url === undefined) return [judgeBroker(place, undefined), judgeAccount(place, undefined)];
  const authorities = attempt(() => (values.ca === undefined ? undefined : readAuthorities(values.ca)));
  if ("fault" in authorities && peer === undefined) return [judgeFault("certificates", authorities.fault)];
  const ca = "fault" in authorities ? undefined : authorities.value;
  const access = { url, ca, keepaliveMs: values.keepaliveMs ?? defaults.keepaliveMs, ...means.account };
  const [looked, networks] = await Promise.all([
    within(limits.brokerMs, "broker", peer === undefined ? look(patient.home, place, access) : peer.examine()),
    place.network === undefined ? searchNetworks(patient.home, access, values.ca) : undefined,
  ]);
  if ("check" in looked) return [looked.check];
  const { found } = looked;
  const reached = [judgeBroker(place, found), judgeAccount(place, found)];
  if (found.fault !== undefined) return reached;
  return [
    ...reached,
    ...(peer === undefined ? [] : judgeLink(peer.status())),
    judgeRights(place, found),
    ...(networks === undefined || found.muteTopic !== undefined ? judgeHost(place, found, peer?.status()) : [networks]),
    ...judgeOwnRecord(place, found),
    // The host's clock is the network's.
    ...(peer?.kind === "host" ? [] : judgeClock(found.host?.clockOffsetMs, peer?.status().clockOffsetMs)),
  ];
}

function look(home: string, { network, name }: Place, connection: Access): Promise<Examination> {
  // An account for one network only often has the network's name.
  const { username } = connection;
  const tried = network ?? (username !== undefined && isName(username) ? username : "pilink-doctor");
  return examineBroker({
    network: tried,
    name,
    epoch: undefined,
    connection,
    isDead: (other, epoch) => isDeadHere(home, tried, other, epoch),
  });
}

async function searchNetworks(
  home: string,
  { url, username, password }: Access,
  ca: string | undefined,
): Promise<Check> {
  const search = findNetworks({ home, url, username, password, ca }).then(judgeNetworks, (error: unknown) => {
    if (!isPilinkError(error)) throw error;
    return judgeFault("host", error);
  });
  const searched = await within(limits.brokerMs, "host", search);
  return "check" in searched ? searched.check : searched.found;
}

/** Waits for a part of the work, but not for ever; an error that nobody thought of is a finding too. */
async function within<Found>(
  limitMs: number,
  name: string,
  work: Promise<Found>,
): Promise<{ found: Found } | { check: Check }> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<{ check: Check }>((resolve) => {
    const text = `no verdict within ${limitMs / 1000} s`;
    const wayOut = "Try again; if it stays so, the disk, the network or the broker hangs.";
    timer = setTimeout(() => resolve({ check: { name, verdict: "failed", text, wayOut } }), limitMs);
  });
  const done = work.then(
    (found) => ({ found }),
    (error: unknown): { check: Check } => ({
      check: isPilinkError(error) ? judgeFault(name, error) : unexpected(name, error),
    }),
  );
  try {
    return await Promise.race([done, late]);
  } finally {
    clearTimeout(timer);
  }
}

function unexpected(name: string, error: unknown): Check {
  const wayOut = "This is a fault of pilink: please report it with this line.";
  return { name, verdict: "failed", text: `something went wrong in pilink: ${messageOf(error)}`, wayOut };
}
