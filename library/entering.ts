import { basename } from "node:path";
import { ensureBroker } from "../broker/managed.ts";
import { resolveSettings } from "../peer/config.ts";
import { enterNetwork as enter } from "../peer/entering.ts";
import { type EnterKind, planEntering } from "../peer/plan.ts";
import type { Settings } from "../peer/settings.ts";
import { makeName } from "../protocol/names.ts";
import { homeFolder } from "../store/folder.ts";
import { NetworkPeer } from "./network-peer.ts";

/** How to enter a network. What is left out comes from the environment, `.pilink.json` and `config.json`. */
export interface EnterNetworkOptions {
  /** The network, or an alias from `config.json`. */
  network: string;
  /** The name to carry. A taken one is refused; without one the working folder's is used, or the next free one. */
  name?: string;
  /** What it is for, shown to others. */
  role?: string;
  /** What the network is about, told to those who join; for the host only. */
  about?: string;
  /** The broker; the managed one unless set. May hold credentials. */
  url?: string;
  username?: string;
  password?: string;
  /** The certificates of the authorities to trust over TLS: the path of a PEM file, or its text. */
  ca?: string;
  /** Where all state is kept; `PILINK_HOME`, else `~/.pilink`. */
  home?: string;
  /** The folder that the program works in; the current one unless set. */
  folder?: string;
  /** The MQTT keepalive, in milliseconds. */
  keepaliveMs?: number;
  /** How long the network stays suspended without its host, in milliseconds. */
  closingMs?: number;
  /** False to reject what is published by hand. */
  acceptUnverified?: boolean;
  /** Called when entering takes longer than a moment, with what it waits for and how long at most. */
  onWaiting?: (reason: string, forMs: number) => void;
  /** Ends the attempt. */
  signal?: AbortSignal;
}

/**
 * Joins a network that another peer hosts.
 *
 * @throws PilinkError `network-not-found`, `host-silent`, `name-taken`, `broker-…` and others, each with the way out
 */
export function joinNetwork(options: EnterNetworkOptions): Promise<NetworkPeer> {
  return open("join", options);
}

/**
 * Creates a network and becomes its host: it lives as long as this peer is in it.
 *
 * @throws PilinkError `network-exists`, `broker-…` and others, each with the way out
 */
export function createNetwork(options: EnterNetworkOptions): Promise<NetworkPeer> {
  return open("create", options);
}

/**
 * Joins a network, or creates it where there is none.
 *
 * @throws PilinkError as {@link joinNetwork} and {@link createNetwork}
 */
export function enterNetwork(options: EnterNetworkOptions): Promise<NetworkPeer> {
  return open("either", options);
}

async function open(kind: EnterKind, options: EnterNetworkOptions): Promise<NetworkPeer> {
  const { folder = process.cwd(), home = homeFolder(process.env), about, onWaiting, signal } = options;
  // A program is run by the person whose folder it is run in.
  const places = { home, folder, trust: "granted", env: process.env, flags: flagsOf(options) } as const;
  const plan = planEntering({
    kind,
    home,
    folder,
    settled: resolveSettings(places),
    usualName: makeName(basename(folder)),
    missing: "Which network? Give its name as network.",
    about,
  });
  const { peer } = await enter(plan, {
    ensureBroker,
    ...(onWaiting === undefined ? {} : { onWaiting }),
    ...(signal === undefined ? {} : { signal }),
  });
  return new NetworkPeer(peer);
}

function flagsOf(options: EnterNetworkOptions): Settings {
  const { network, name, role, url, username, password, ca, keepaliveMs, closingMs, acceptUnverified } = options;
  const flags: Settings = {};
  const given = { network, name, role, url, username, password, ca, keepaliveMs, closingMs, acceptUnverified };
  for (const [key, value] of Object.entries(given)) if (value !== undefined) Object.assign(flags, { [key]: value });
  return flags;
}
