import { setTimeout as pause } from "node:timers/promises";
import { type BrokerAddress, defaultMqttPort, formatAddress, parseAddress } from "../protocol/address.ts";
import { PilinkError } from "../protocol/errors.ts";
import { livenessOf } from "../store/process.ts";
import { type BackgroundArguments, defaultIdleMs } from "./background.ts";
import { defaultPacketLimitBytes } from "./guard.ts";
import { type ProbeResult, probeBroker } from "./probe.ts";
import {
  type BrokerRecord,
  readLocalRecord,
  readLocalStopMark,
  readRecord,
  readStopMark,
  removeStopMarks,
} from "./record.ts";
import { type Place, placeOf, removeRecord } from "./record-file.ts";
import { packageVersion } from "./runtime.ts";
import { type BrokerChoice, withBrokerLock } from "./service.ts";
import { startBackground } from "./start.ts";
import { endBroker, hasEnded } from "./stop.ts";

type Purpose = "command" | "join" | "reconnect";

/** What {@link ensureBroker} can be told. */
export interface EnsureOptions extends BrokerChoice {
  /**
   * `command` (the default): a person asked for it, so a broker that was stopped on purpose is started again.
   * `join`: somebody wants what is on it. Where none of ours has been there can be nothing, so none is started.
   * `reconnect`: a peer lost its broker; one that was stopped on purpose stays stopped.
   */
  purpose?: Purpose;
  /** Where the local broker is started if nothing listens there; 1883 by default. */
  defaultPort?: number;
  /** What a started broker is bound to instead of the loopback address that it is wanted at: `0.0.0.0` or `::`. */
  bindHost?: string | undefined;
  /** Where a started broker listens for MQTT over WebSocket, on the same host; 0 takes a free port. */
  wsPort?: number | undefined;
  /** How long a started broker waits for a client before it ends, in ms; 10 minutes by default. */
  idleMs?: number;
  /** The largest packet that a started broker takes, in bytes. */
  packetLimitBytes?: number;
  /** The version that a broker has to be of; this package's by default. */
  version?: string;
  /** How long to wait for an answer before a port that is silent is judged, in ms; 5 s by default. */
  silenceMs?: number;
  /** Told what is being done about a broker that is dead, silent, or of another version. */
  log?: (line: string) => void;
}

/** A broker to connect to. */
export interface EnsuredBroker {
  /** As it was given but without credentials, or that of the local broker. */
  url: string;
  host: string;
  port: number;
  /** True where it is a broker of this home. */
  managed: boolean;
  /** A managed broker's address for MQTT over WebSocket, where it listens for that. */
  wsUrl?: string;
  /** True where this call started it. */
  started: boolean;
  /** The managed broker's process. */
  pid?: number;
  /** What a person should know about the choice. */
  note?: string;
}

interface Context {
  home: string;
  target: BrokerAddress | undefined;
  purpose: Purpose;
  defaultPort: number;
  bindHost: string | undefined;
  wsPort: number | undefined;
  idleMs: number;
  packetLimitBytes: number;
  version: string;
  silenceMs: number;
  log: (line: string) => void;
}

const startAttempts = 3;
const closingPollMs = 20;

/**
 * Makes sure that a broker runs, and says which: the entrance to `broker/` for every face.
 *
 * @param options which broker, and for what
 * @throws PilinkError `bad-argument`, `broker-not-mqtt`, `broker-not-started`, `broker-stopped`, `broker-unreachable`
 *   where one is to be joined and none is there, `state-unusable`
 */
export async function ensureBroker(options: EnsureOptions): Promise<EnsuredBroker> {
  const target = options.url === undefined ? undefined : parseAddress(options.url);
  // Anything but plain MQTT on loopback is somebody else's broker, to be found out by the one who connects.
  if (target !== undefined && !target.isStartable) return external(target);
  const context: Context = {
    home: options.home,
    target,
    purpose: options.purpose ?? "command",
    defaultPort: options.defaultPort ?? defaultMqttPort,
    bindHost: options.bindHost,
    wsPort: options.wsPort,
    idleMs: options.idleMs ?? defaultIdleMs,
    packetLimitBytes: options.packetLimitBytes ?? defaultPacketLimitBytes,
    version: options.version ?? packageVersion(),
    silenceMs: options.silenceMs ?? 5_000,
    log: options.log ?? (() => {}),
  };
  return (await findRunning(context)) ?? (await withBrokerLock(context.home, () => findOrStart(context)));
}

/**
 * Starts a managed broker on a person's word; the same as {@link ensureBroker} with the purpose `command`.
 *
 * @param options which one
 * @throws PilinkError as {@link ensureBroker}
 */
export function startBroker(options: Omit<EnsureOptions, "purpose">): Promise<EnsuredBroker> {
  return ensureBroker({ ...options, purpose: "command" });
}

/** The common case, which needs no lock and writes nothing: what is wanted already answers. */
async function findRunning(context: Context): Promise<EnsuredBroker | undefined> {
  const { home, target } = context;
  const record = target === undefined ? await livingLocal(home) : await livingAt(home, target);
  const place = record ?? target;
  if (place === undefined || (record !== undefined && record.version !== context.version)) return undefined;
  const probe = await probeBroker(place, { timeoutMs: Math.min(1_000, context.silenceMs) });
  if (probe.kind !== "mqtt") return undefined;
  if (record !== undefined) return managed(context, record, false);
  return target === undefined ? undefined : external(target);
}

async function findOrStart(context: Context): Promise<EnsuredBroker> {
  for (let attempt = 1; attempt <= startAttempts; attempt += 1) {
    const found = context.target === undefined ? await settleLocal(context) : await settleAt(context, context.target);
    if (found !== undefined) return found;
    // The address was taken between looking and binding; whoever took it may be what is wanted.
    context.log("the address of the managed broker was taken by another process; looking again");
  }
  throw new PilinkError(
    "broker-not-started",
    "The managed broker could not be started: its address was taken by others again and again. Name a broker with --url.",
    { value: context.target?.url ?? context.home },
  );
}

/** One attempt at a broker at a place that the person named; undefined where the place was taken meanwhile. */
async function settleAt(context: Context, target: BrokerAddress): Promise<EnsuredBroker | undefined> {
  const place = placeOf(target);
  const former = await readRecord(context.home, place);
  const record = await livingAt(context.home, target);
  const kept = record && (await keepOrEnd(context, record));
  if (kept) return kept;
  const waitMs = former === undefined ? 0 : context.silenceMs;
  const probe = await probeFormer(target, context.silenceMs, waitMs);
  if (probe.kind === "mqtt") return external(target);
  if (probe.kind !== "refused") throw notMqtt(target.url, probe);
  // A home's only broker is its default one, also when it was started by its URL.
  const local = record?.local === true || (await livingLocal(context.home)) === undefined;
  return start(context, place, local, former);
}

/** One attempt at this home's own broker; undefined where its address was taken meanwhile. */
async function settleLocal(context: Context): Promise<EnsuredBroker | undefined> {
  const known = await readLocalRecord(context.home);
  const kept = known && known.alive !== "dead" && (await keepOrEnd(context, known.record));
  if (kept) return kept;
  // Members of a network know the address where it was, so it comes back there if it can.
  const former = known?.record ?? (await readLocalStopMark(context.home));
  if (former !== undefined) {
    const { kind } = await probeFormer(former, 1_000, context.silenceMs);
    if (kind === "refused") return start(context, former, true, known?.record);
  }

  const usual = { host: "127.0.0.1", port: context.defaultPort };
  if (await isFree(usual)) return start(context, usual, true, known?.record);
  const stranger = await probeBroker(usual, { timeoutMs: Math.min(1_000, context.silenceMs) });
  if (context.purpose === "join" && known === undefined) throw noneHere(stranger.kind === "mqtt" ? usual : undefined);
  const started = await start(context, { host: usual.host, port: 0 }, true, known?.record);
  const what = stranger.kind === "mqtt" ? "Another broker" : "Something that is no MQTT broker";
  const otherwise = stranger.kind === "mqtt" ? ` To use that one: --url ${formatAddress(usual.host, usual.port)}.` : "";
  return (
    started && {
      ...started,
      note: `${what} listens on ${usual.host}:${usual.port}, so pilink's own runs on port ${started.port}.${otherwise}`,
    }
  );
}

/**
 * Looks after a recorded broker whose process lives.
 *
 * @returns the broker where it can be used; undefined where it is gone now and another one may be started
 */
async function keepOrEnd(context: Context, record: BrokerRecord): Promise<EnsuredBroker | undefined> {
  const probe = await probeBroker(record, { timeoutMs: context.silenceMs });
  if (probe.kind === "mqtt") {
    if (record.version === context.version) return managed(context, record, false);
    const outcome = await endBroker(context.home, record, { onlyIfIdle: true });
    if (outcome === "ended" || outcome === "killed") {
      context.log(`replaced the managed broker of version ${record.version}`);
      return undefined;
    }
    return {
      ...(await managed(context, record, false)),
      note: `The managed broker runs version ${record.version}, this is ${context.version}. It is replaced once it has no clients.`,
    };
  }
  // A broker on its way out has closed its port before its process ends.
  if (probe.kind === "refused" && (await hasEnded(record, context.silenceMs))) return undefined;
  context.log(`the managed broker at ${record.url} (process ${record.process.pid}) does not answer; replacing it`);
  // Where the process is not provably the recorded one, the record is what is wrong.
  if ((await endBroker(context.home, record, { graceMs: 1_000 })) === "left") await removeRecord(context.home, record);
  return undefined;
}

async function start(
  context: Context,
  place: Place,
  local: boolean,
  former: BrokerRecord | undefined,
): Promise<EnsuredBroker | undefined> {
  const { home, purpose, target } = context;
  if (purpose !== "command") {
    const mark = (await readStopMark(home, place)) ?? (local ? await readLocalStopMark(home) : undefined);
    if (mark !== undefined) throw stopped(mark);
  }
  // A record without its process is of a broker that died: whoever misses it first starts it again, also a joiner.
  if (purpose === "join" && former === undefined) throw target === undefined ? noneHere(undefined) : noneAt(target.url);
  const argument: BackgroundArguments = {
    home,
    host: context.bindHost ?? place.host,
    port: place.port,
    local,
    version: context.version,
    idleMs: context.idleMs,
    packetLimitBytes: context.packetLimitBytes,
    // Clients know where one that ended unexpectedly was, so it comes back there.
    wsPort: context.wsPort ?? former?.ws?.port,
  };
  let outcome = await startBackground(argument);
  if (outcome.kind === "ws-refused" && context.wsPort === undefined) {
    context.log(`the managed broker starts without WebSocket, which it had at ${former?.ws?.url}: ${outcome.message}`);
    outcome = await startBackground({ ...argument, wsPort: undefined });
  }
  if (outcome.kind === "ws-refused") throw wsRefused(argument, outcome.message);
  if (outcome.kind === "address-in-use") return undefined;
  return managed(context, outcome.record, true);
}

/** Whoever starts or uses a running broker on a person's word takes back that it was stopped. */
async function managed(context: Context, record: BrokerRecord, started: boolean): Promise<EnsuredBroker> {
  if (context.purpose !== "reconnect") await removeStopMarks(context.home, record, record.local);
  const { host, port, process, ws } = record;
  const wsUrl = ws === undefined ? {} : { wsUrl: ws.url };
  return { url: context.target?.url ?? record.url, host, port, managed: true, ...wsUrl, started, pid: process.pid };
}

function external(target: BrokerAddress): EnsuredBroker {
  return { url: target.url, host: target.host, port: target.port, managed: false, started: false };
}

/**
 * Asks where a broker of ours has been. The main thread of a killed process is gone before its other threads, and its
 * port is closed with the last of them: until then connections are accepted and then broken.
 */
async function probeFormer(place: Place, timeoutMs: number, waitMs: number): Promise<ProbeResult> {
  const deadline = performance.now() + waitMs;
  for (;;) {
    const probe = await probeBroker(place, { timeoutMs });
    if (probe.kind !== "closed" || performance.now() > deadline) return probe;
    await pause(closingPollMs);
  }
}

async function isFree(place: Place): Promise<boolean> {
  return (await probeBroker(place, { timeoutMs: 1_000 })).kind === "refused";
}

async function livingAt(home: string, target: BrokerAddress): Promise<BrokerRecord | undefined> {
  const record = await readRecord(home, placeOf(target));
  return record !== undefined && livenessOf(record.process) !== "dead" ? record : undefined;
}

async function livingLocal(home: string): Promise<BrokerRecord | undefined> {
  const known = await readLocalRecord(home);
  return known !== undefined && known.alive !== "dead" ? known.record : undefined;
}

function notMqtt(url: string, probe: ProbeResult): PilinkError {
  const found = {
    mqtt: "answers",
    refused: "does not answer",
    closed: "closes every connection without an answer",
    silent: "accepts connections but stays silent",
    "not-mqtt": "answers, but not as an MQTT broker",
  }[probe.kind];
  return new PilinkError(
    "broker-not-mqtt",
    `What listens at ${url} ${found}. End that program, or name another broker or a free port with --url.`,
    { value: url },
  );
}

function wsRefused({ host, wsPort = 0 }: BackgroundArguments, reason: string): PilinkError {
  const where = formatAddress(host, wsPort).replace(/^mqtt:/, "ws:");
  return new PilinkError(
    "broker-not-started",
    `The managed broker could not listen for WebSocket at ${where}: ${reason}. Name another port with --ws, or none to take a free one.`,
    { value: where },
  );
}

function noneAt(url: string): PilinkError {
  return new PilinkError(
    "broker-unreachable",
    `Nothing listens at ${url}: no broker runs there. Check the port; /pilink create would start one there.`,
    { value: url },
  );
}

/** @param stranger where somebody else's broker listens, if one does at the usual place */
function noneHere(stranger: Place | undefined): PilinkError {
  const otherwise =
    stranger === undefined
      ? ""
      : ` The one at ${formatAddress(stranger.host, stranger.port)} is another's: name it with --url to use it.`;
  return new PilinkError(
    "broker-unreachable",
    `No managed broker runs here, so there is no network to join. /pilink create <network> starts both.${otherwise}`,
  );
}

function stopped(place: Place): PilinkError {
  return new PilinkError(
    "broker-stopped",
    `The managed broker at ${formatAddress(place.host, place.port)} was stopped on purpose. Start it with /pilink server start.`,
    { value: formatAddress(place.host, place.port) },
  );
}
