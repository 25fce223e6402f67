import { ensureBroker } from "../broker/managed.ts";
import { type EnteredNetwork, type EnterPlan, enterNetwork } from "../peer/entering.ts";
import { isBlocked, readPreferences } from "../peer/preferences.ts";

/** How entering is told and ended. */
export interface EnteringPort {
  onWaiting(reason: string, forMs: number): void;
  signal?: AbortSignal | undefined;
}

/**
 * Enters a network for a command.
 *
 * @throws PilinkError what `enterNetwork` of `peer/` throws
 */
export function enterForCommand(plan: EnterPlan, { onWaiting, signal }: EnteringPort): Promise<EnteredNetwork> {
  const preferences = readPreferences(plan.settings);
  return enterNetwork(plan, {
    ensureBroker,
    onWaiting,
    isBlocked: (from) => isBlocked(preferences, plan.network, from),
    ...(signal === undefined ? {} : { signal }),
  });
}
