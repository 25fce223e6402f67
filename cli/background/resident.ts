import { cleanLine } from "../../protocol/clean.ts";
import { Desk } from "../desk.ts";
import { enterForCommand } from "../entering.ts";
import { Hooks } from "../hooks/hooks.ts";
import { type Offering, offerPeer } from "./offering.ts";
import type { BackgroundPlan } from "./plan.ts";
import type { BackgroundRecord } from "./record.ts";

/** What a resident peer needs of the process that it lives in. */
export interface ResidentPort {
  onWaiting(reason: string, forMs: number): void;
  /** Writes a line for whoever looks afterwards. */
  log(line: string): void;
}

/** A peer that stays in its network between commands. */
export interface Resident {
  record: BackgroundRecord;
  notes: string[];
  /** Settled when it has ended: why. */
  over: Promise<string>;
  /** Leaves the network, and ends. Idempotent. */
  leave(reason: string): void;
}

const hooksGraceMs = 5_000;

/**
 * Enters a network, and serves the commands of this machine until the network closes, or it is told to leave.
 *
 * @throws PilinkError what `enterNetwork` throws
 */
export async function startResident(plan: BackgroundPlan, port: ResidentPort): Promise<Resident> {
  const { home, folder, hooks: hookOptions, ...rest } = plan;
  const { peer, notes, broker } = await enterForCommand(
    { ...rest, home, folder, model: undefined, about: undefined, notes: [] },
    { onWaiting: (reason, forMs) => port.onWaiting(reason, forMs) },
  );
  const desk = new Desk(peer);
  const hooks = new Hooks(peer, desk, hookOptions, folder, (line) => port.log(line));
  const ending = Promise.withResolvers<string>();
  const end = (reason: string) => ending.resolve(reason);
  peer.events.on("closed", ({ reason }) => end(`the network was closed: ${cleanLine(reason, 200)}`));
  peer.events.on("displaced", (error) => end(error.message));
  peer.events.on("trouble", (error) => port.log(error.message));
  let offering: Offering;
  try {
    offering = await offerPeer({ home, folder, desk, broker, leave: end });
  } catch (error) {
    await peer.leave();
    throw error;
  }
  hooks.start();
  const over = ending.promise.then(async (reason) => {
    port.log(`ending: ${reason}`);
    desk.close();
    await offering.settle();
    const unread = desk.unconfirmed;
    await peer.leave();
    await hooks.close(hooksGraceMs);
    await offering.close(reason, unread);
    return reason;
  });
  // The network may have closed while all this was being made.
  if (desk.isOver) end("the network was closed");
  return { record: offering.record, notes, over, leave: end };
}
