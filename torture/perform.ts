import { setTimeout as pause } from "node:timers/promises";
import type { TestBroker } from "../test/support/broker-process.ts";
import { inOrder } from "./disorder-proxy.ts";
import type { Arena } from "./run.ts";
import { type Action, peerNames } from "./schedule.ts";
import type { Seat } from "./seat.ts";

const raiseTriesLimit = 3;

/**
 * Does what the schedule says, and undoes it when its time is over.
 *
 * @param token what is in the messages that are sent, unique in the run
 */
export async function performAction(arena: Arena, action: Action, token: string): Promise<void> {
  if (action.do === "broker") {
    // On a busy machine a broker may still be starting when the next fault comes.
    const harmed = arena.brokerFaults.then(() => harmBroker(arena, action.how, action.forMs));
    arena.brokerFaults = harmed.catch(() => undefined);
    return harmed;
  }
  const seat = arena.seats[action.network]?.[action.peer];
  if (seat === undefined) throw new RangeError(`There is no peer ${action.peer} in network ${action.network}.`);
  const { line, disorder } = seat.setting;
  switch (action.do) {
    case "send":
      return send(seat, action, token);
    case "crash":
      return seat.crash(action.forMs);
    case "leave":
      return seat.leave(action.forMs);
    case "replace":
      return seat.replace(action.forMs, action.crashes);
    case "end-host":
      arena.hosts[action.network] = action.successor;
      return action.crashes ? seat.crash(action.forMs) : seat.leave(action.forMs);
    case "freeze":
      seat.freeze();
      await pause(action.forMs);
      return seat.thaw();
    case "cut":
      if (action.forMs === 0) return line.drop();
      line.cut();
      break;
    case "partition":
      line.blackhole();
      break;
    case "stall":
      line.pause();
      break;
    case "slow":
      line.slow(action.delayMs, action.bytesPerSecond);
      break;
    case "disorder":
      disorder.setDisorder(action);
      await pause(action.forMs);
      return disorder.setDisorder(inOrder);
    case "fill-disk":
      return fillDisk(arena, action);
  }
  await pause(action.forMs);
  line.heal();
}

async function send(seat: Seat, action: Extract<Action, { do: "send" }>, token: string): Promise<void> {
  const { to } = action;
  const names = to === "all" ? to : to.flatMap((peer) => peerNames[peer] ?? []);
  for (let count = 0; count < action.messages; count += 1) seat.send(names, `${token}.${count}`, action);
}

async function fillDisk({ smallDisk }: Arena, action: Extract<Action, { do: "fill-disk" }>): Promise<void> {
  if (smallDisk === undefined || smallDisk.network !== action.network || smallDisk.peer !== action.peer) return;
  await smallDisk.fill();
  await pause(action.forMs);
  await smallDisk.empty();
}

async function harmBroker(
  { broker }: Arena,
  how: Extract<Action, { do: "broker" }>["how"],
  forMs: number,
): Promise<void> {
  if (how === "freeze") {
    broker.pause();
    await pause(forMs);
    return broker.resume();
  }
  // One that does not obey in time was killed instead, which is a fault as good as any.
  if (how === "restart") await broker.stop().catch(() => undefined);
  else await broker.kill();
  if (how === "kill-and-wipe") await broker.loseDisk();
  await pause(forMs);
  await raise(broker);
}

/**
 * Starts a broker that is down, again where it takes too long: everything else on this machine is busy as well.
 *
 * @throws Error with its log where it does not start
 */
export async function raise(broker: TestBroker): Promise<void> {
  for (let tries = 1; ; tries += 1) {
    try {
      return await broker.restart();
    } catch (error) {
      if (tries === raiseTriesLimit) throw error;
    }
  }
}
