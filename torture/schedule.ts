import { type Random, seededRandom } from "./random.ts";

/** What a run consists of; the same plan gives the same schedule. */
export interface Plan {
  seed: number;
  /** How long faults happen, in milliseconds; the quiet-down comes after it. */
  forMs: number;
  networks: number;
  /** Peers in each network, its host included. */
  peers: number;
}

/** One peer's place: a name in a network. */
export interface Place {
  network: number;
  peer: number;
}

interface Lasting {
  /** How long it lasts, in milliseconds. */
  forMs: number;
}

/** What happens. */
export type Action =
  | (Place & {
      do: "send";
      to: number[] | "all";
      messages: number;
      padBytes: number;
      ttlMs: number | null;
      answers: boolean;
    })
  /** SIGKILL, and a new process afterwards. */
  | (Place & Lasting & { do: "crash" })
  /** SIGSTOP, then SIGCONT. */
  | (Place & Lasting & { do: "freeze" })
  | (Place & Lasting & { do: "leave" })
  /** The peer goes, and another one takes its name, on another machine. */
  | (Place & Lasting & { do: "replace"; crashes: boolean })
  /** The host goes, and afterwards another peer creates the network anew. */
  | (Place & Lasting & { do: "end-host"; crashes: boolean; successor: number })
  /** The connections end; new ones are refused for as long as it lasts. */
  | (Place & Lasting & { do: "cut" })
  /** Every byte is lost, and nobody is told. */
  | (Place & Lasting & { do: "partition" })
  /** Every byte is held back. */
  | (Place & Lasting & { do: "stall" })
  | (Place & Lasting & { do: "slow"; delayMs: number; bytesPerSecond: number })
  /** What the broker delivers to inbox and receipts comes twice, in another order, or not at all. */
  | (Place & Lasting & { do: "disorder"; twice: number; shuffled: number; lost: number })
  /** The disk is full; only where the peer has one of its own. */
  | (Place & Lasting & { do: "fill-disk" })
  | (Lasting & { do: "broker"; how: "kill" | "kill-and-wipe" | "restart" | "freeze" });

/** An action and when it happens, in milliseconds since the start. */
export interface Step {
  atMs: number;
  action: Action;
}

/** Peers with their names: the first letters are as good as any. */
export const peerNames = ["ada", "bob", "cyd", "dan", "eve", "fay", "gus", "hal"] as const;

/** Whose disk can be full: one is enough, and nobody else has its state there. */
export const smallDiskPlace: Place = { network: 0, peer: 1 };

// Something shall be under way before anything is harmed.
const firstFaultMs = 2_000;

/**
 * Makes the schedule of a plan: what happens when. Pure: the same plan gives the same steps.
 *
 * @throws RangeError where the plan has fewer than 2 or more than 8 peers to a network
 */
export function makeSchedule(plan: Plan): Step[] {
  if (plan.peers < 2 || plan.peers > peerNames.length) {
    throw new RangeError(`A network of the torture has 2 to ${peerNames.length} peers, not ${plan.peers}.`);
  }
  const random = seededRandom(plan.seed);
  const steps: Step[] = [...sends(plan, random), ...faults(plan, random)];
  return steps.sort((one, other) => one.atMs - other.atMs);
}

function* sends(plan: Plan, random: Random): Generator<Step> {
  for (let atMs = 500; atMs < plan.forMs; atMs += random.integer(20, 220)) {
    const place = { network: random.integer(0, plan.networks - 1), peer: random.integer(0, plan.peers - 1) };
    const others = Array.from({ length: plan.peers }, (_, peer) => peer).filter((peer) => peer !== place.peer);
    const kind = random.next();
    const to = kind < 0.15 ? "all" : kind < 0.3 ? others.filter(() => random.chance(0.6)) : [random.pick(others)];
    yield {
      atMs,
      action: {
        do: "send",
        ...place,
        to: to.length === 0 ? "all" : to,
        messages: random.chance(0.1) ? random.integer(5, 80) : 1,
        padBytes: random.chance(0.05) ? random.integer(10_000, 150_000) : random.integer(0, 400),
        ttlMs: random.chance(0.05) ? random.integer(500, 15_000) : null,
        answers: random.chance(0.2),
      },
    };
  }
}

/** What is busy with a fault, and until when. */
class Busy {
  readonly #untilMs = new Map<string, number>();

  take(key: string, atMs: number, forMs: number, restMs: number): boolean {
    if ((this.#untilMs.get(key) ?? 0) > atMs) return false;
    this.#untilMs.set(key, atMs + forMs + restMs);
    return true;
  }
}

function* faults(plan: Plan, random: Random): Generator<Step> {
  const busy = new Busy();
  const hosts = Array.from({ length: plan.networks }, () => 0);
  const endsHostAfterMs = Array.from({ length: plan.networks }, () => random.integer(15_000, 45_000));
  for (let atMs = firstFaultMs; atMs < plan.forMs; atMs += random.integer(200, 2_000)) {
    const place = { network: random.integer(0, plan.networks - 1), peer: random.integer(0, plan.peers - 1) };
    const host = hosts[place.network] ?? 0;
    if (atMs >= (endsHostAfterMs[place.network] ?? 0)) {
      const successor = random.integer(0, plan.peers - 1);
      const action = {
        do: "end-host",
        network: place.network,
        peer: host,
        crashes: random.chance(0.6),
        successor,
      } as const;
      const forMs = random.integer(100, 6_000);
      endsHostAfterMs[place.network] = atMs + random.integer(15_000, 90_000);
      if (!busy.take(`process ${place.network} ${host}`, atMs, forMs, 3_000)) continue;
      hosts[place.network] = successor;
      yield { atMs, action: { ...action, forMs } };
      continue;
    }
    const action = makeFault(plan, random, place);
    if (isOfProcess(action) && action.do !== "freeze" && place.peer === host) continue;
    // Nothing outlasts the schedule.
    const forMs = Math.min(action.forMs, plan.forMs - atMs);
    if (!busy.take(thingOf(action), atMs, forMs, action.do === "broker" ? 5_000 : 1_000)) continue;
    yield { atMs, action: { ...action, forMs } };
    // The hardest is what comes together: some die in the same moment as the broker.
    if (action.do !== "broker" || random.chance(0.5)) continue;
    for (let network = 0; network < plan.networks; network += 1) {
      const peer = random.integer(0, plan.peers - 1);
      const crash = {
        do: "crash",
        network,
        peer,
        forMs: Math.min(random.integer(0, 3_000), plan.forMs - atMs),
      } as const;
      if (peer === hosts[network] || !busy.take(thingOf(crash), atMs, crash.forMs, 1_000)) continue;
      yield { atMs: atMs + random.integer(0, 40), action: crash };
    }
  }
}

type Fault = Exclude<Action, { do: "send" }>;

/** What a fault is done to: two of one kind on one thing would end each other. */
function thingOf(action: Fault): string {
  if (action.do === "broker") return "broker";
  if (action.do === "fill-disk") return "disk";
  return `${isOfProcess(action) ? "process" : "line"} ${action.network} ${action.peer}`;
}

function isOfProcess(action: Fault): boolean {
  return ["crash", "freeze", "leave", "replace"].includes(action.do);
}

function makeFault(plan: Plan, random: Random, place: Place): Fault {
  const longMs = Math.min(60_000, Math.max(5_000, plan.forMs / 4));
  switch (random.integer(0, 18)) {
    case 0:
    case 1:
    case 2:
      return {
        do: "crash",
        ...place,
        forMs: random.chance(0.7) ? random.integer(0, 1_500) : random.integer(1_500, 15_000),
      };
    case 3:
    case 4:
      return { do: "freeze", ...place, forMs: random.integer(500, 12_000) };
    case 5:
      return { do: "leave", ...place, forMs: random.integer(0, 6_000) };
    case 6:
      return { do: "replace", ...place, forMs: random.integer(0, 2_000), crashes: random.chance(0.5) };
    case 7:
    case 8:
      return { do: "cut", ...place, forMs: random.chance(0.6) ? 0 : random.integer(200, 8_000) };
    case 9:
    case 10:
      return {
        do: "partition",
        ...place,
        forMs: random.chance(0.8) ? random.integer(1_000, 12_000) : random.integer(12_000, Math.max(12_000, longMs)),
      };
    case 11:
      return { do: "stall", ...place, forMs: random.integer(300, 8_000) };
    case 12:
      return {
        do: "slow",
        ...place,
        forMs: random.integer(2_000, 10_000),
        delayMs: random.integer(20, 800),
        bytesPerSecond: random.integer(20_000, 500_000),
      };
    case 13:
    case 14:
      return {
        do: "disorder",
        ...place,
        forMs: random.integer(3_000, 15_000),
        twice: random.next() * 0.3,
        shuffled: random.next() * 0.3,
        lost: random.next() * 0.1,
      };
    case 15:
      return { do: "fill-disk", ...smallDiskPlace, forMs: random.integer(500, 8_000) };
    default: {
      const how = random.pick(["kill", "kill-and-wipe", "restart", "freeze"] as const);
      return { do: "broker", how, forMs: random.integer(100, 5_000) };
    }
  }
}
