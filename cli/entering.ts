import { ensureBroker } from "../broker/managed.ts";
import { type EnteredNetwork, enterNetwork } from "../peer/entering.ts";
import type { EnterPlan } from "../peer/plan.ts";

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
  return enterNetwork(plan, { ensureBroker, onWaiting, ...(signal === undefined ? {} : { signal }) });
}
