import { basename } from "node:path";
import type { ExtensionContext } from "@earendil-works/pi-coding-agent";
import { ensureBroker } from "../broker/managed.ts";
import { type EnterKind, type EnterPlan, enterNetwork } from "../peer/entering.ts";
import { isBlocked, readPreferences } from "../peer/preferences.ts";
import type { Settings } from "../peer/settings.ts";
import { PilinkError } from "../protocol/errors.ts";
import { makeName, parseName } from "../protocol/names.ts";
import type { Connection } from "./connection.ts";
import { settingsHere } from "./settings.ts";

/** What a person asked for. */
export interface EnterRequest {
  kind: EnterKind;
  /** As it was typed; undefined where the settings are to name it. */
  network: string | undefined;
  flags: Settings;
  about: string | undefined;
  usage: string;
}

/** What is known about the session that enters. */
export interface EnterSurroundings {
  ctx: Pick<ExtensionContext, "cwd" | "isProjectTrusted" | "model">;
  sessionName: string | undefined;
}

/** How to enter, and what was set and is not used, with the reason. */
export interface WarnedPlan extends EnterPlan {
  warnings: string[];
}

/** A connection that stands, with what a person should hear about how it came to be. */
export interface Entered {
  connection: Connection;
  notes: string[];
}

/**
 * Finds out what entering would need, without changing anything.
 *
 * @throws PilinkError `bad-name`, `bad-argument`, `bad-config`
 */
export function planEntering(request: EnterRequest, surroundings: EnterSurroundings): WarnedPlan {
  const { kind, about, usage } = request;
  const { ctx, sessionName } = surroundings;
  // Refused here as a name: the settings would call it a value that does not fit.
  if (request.network !== undefined) parseName(request.network, "network");
  const flags = { ...request.flags, ...(request.network === undefined ? {} : { network: request.network }) };
  const { home, values: settings, isNameChosen, notes: warnings } = settingsHere(ctx, flags);
  const typed = settings.network;
  if (typed === undefined) throw new PilinkError("bad-argument", `Which network? Usage: ${usage}`);
  const network = parseName(typed, "network");
  const name = settings.name === undefined ? makeName(sessionName ?? basename(ctx.cwd)) : parseName(settings.name);
  const notes = [
    ...(network === typed ? [] : [`"${typed}" was made into the network name "${network}".`]),
    ...(settings.name === undefined || settings.name === name
      ? []
      : [`"${settings.name}" was made into the name "${name}".`]),
  ];
  return {
    kind,
    network,
    name,
    home,
    settings,
    isNameChosen,
    folder: ctx.cwd,
    model: ctx.model?.id,
    about,
    notes,
    warnings,
  };
}

/**
 * Makes sure that a broker is there, and creates or joins a network on it.
 *
 * @param onWaiting called when it takes longer than a moment, with what it waits for and how long at most
 * @throws PilinkError what `enterNetwork` of `peer/` throws
 */
export async function enterWithPreferences(
  plan: EnterPlan,
  onWaiting: (reason: string, forMs: number) => void,
  signal: AbortSignal,
): Promise<Entered> {
  const preferences = readPreferences(plan.settings);
  const { peer, broker, notes } = await enterNetwork(plan, {
    ensureBroker,
    onWaiting,
    signal,
    isBlocked: (from) => isBlocked(preferences, plan.network, from),
  });
  return { connection: { peer, preferences, broker }, notes };
}
