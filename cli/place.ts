import { basename } from "node:path";
import { type ResolvedSettings, resolveSettings } from "../peer/config.ts";
import { type EnterKind, type EnterPlan, planEntering as planIn } from "../peer/plan.ts";
import type { Settings } from "../peer/settings.ts";
import { PilinkError } from "../protocol/errors.ts";
import { makeName, parseName } from "../protocol/names.ts";
import { homeFolder } from "../store/folder.ts";

/** Where a command runs, and with which settings. */
export interface Place extends ResolvedSettings {
  home: string;
  folder: string;
}

const whichNetwork =
  "Which network? Name it on the command line, or set PILINK_NETWORK. pilink networks lists those that run.";

/** The options that say which network, broker and name are meant. */
export interface PlaceFlags {
  network?: string | undefined;
  name?: string | undefined;
  role?: string | undefined;
  url?: string | undefined;
}

/**
 * The settings that hold for a command: its options before the environment before the files.
 *
 * @throws PilinkError `bad-config`, `bad-argument`
 */
export function placeHere(flags: PlaceFlags = {}): Place {
  const home = homeFolder(process.env);
  const folder = process.cwd();
  const given: Settings = {};
  for (const [key, value] of Object.entries(flags)) if (value !== undefined) Object.assign(given, { [key]: value });
  // Nobody was asked whether this folder is trusted: it may be a repository that was cloned a moment ago.
  return { home, folder, ...resolveSettings({ home, folder, trust: "implied", env: process.env, flags: given }) };
}

/**
 * The network that is meant.
 *
 * @throws PilinkError `bad-argument` where none is set, `bad-name`
 */
export function requireNetwork({ values }: Place): string {
  if (values.network === undefined) throw new PilinkError("bad-argument", whichNetwork);
  return parseName(values.network, "network");
}

/**
 * Plans to enter the network that is meant.
 *
 * @throws PilinkError `bad-argument`, `bad-name`
 */
export function planEntering(place: Place, kind: EnterKind): EnterPlan {
  const { home, folder } = place;
  const usualName = makeName(basename(folder));
  return planIn({ kind, home, folder, settled: place, usualName, missing: whichNetwork });
}
