import { basename } from "node:path";
import type { ExtensionContext } from "@earendil-works/pi-coding-agent";
import { ensureBroker } from "../broker/managed.ts";
import { enterNetwork } from "../peer/entering.ts";
import { type EnterKind, type EnterPlan, planEntering as planIn } from "../peer/plan.ts";
import type { Settings } from "../peer/settings.ts";
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
  const { home, values, isNameChosen, notes: warnings } = settingsHere(ctx, flags);
  const planned = planIn({
    kind,
    home,
    folder: ctx.cwd,
    settled: { values, isNameChosen },
    usualName: makeName(sessionName ?? basename(ctx.cwd)),
    missing: `Which network? Usage: ${usage}`,
    model: ctx.model?.id,
    about,
  });
  return { ...planned, warnings };
}

/**
 * Makes sure that a broker is there, and creates or joins a network on it.
 *
 * @param onWaiting called when it takes longer than a moment, with what it waits for and how long at most
 * @throws PilinkError what `enterNetwork` of `peer/` throws
 */
export async function enterHere(
  plan: EnterPlan,
  onWaiting: (reason: string, forMs: number) => void,
  signal: AbortSignal,
): Promise<Entered> {
  const { notes, ...connection } = await enterNetwork(plan, { ensureBroker, onWaiting, signal });
  return { connection, notes };
}
