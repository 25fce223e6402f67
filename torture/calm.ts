import { setTimeout as pause } from "node:timers/promises";
import type { Look } from "./actor-wire.ts";
import type { Arena } from "./run.ts";
import type { Seat } from "./seat.ts";

const everyMs = 250;
// Once may be a moment between two events.
const timesInOrder = 3;

/** How a quiet-down ended. */
export interface Calm {
  /** What was still wrong when the time was up; empty where all is well. */
  problems: string[];
  /** After how long everybody was in its network and saw everybody, in milliseconds; null: never. */
  rostersMs: number | null;
  /** After how long nothing waited to be delivered any more as well. */
  allMs: number | null;
}

/** What is wrong with what one peer sees. */
interface Problem {
  text: string;
  /** True for a message that waits, where everything else may be as it should. */
  isMail: boolean;
}

/** Waits until every peer is in its network, everybody sees everybody, and nothing waits to be delivered. */
export async function awaitCalm({ seats }: Arena, limitMs: number): Promise<Calm> {
  const startMs = performance.now();
  let rostersMs: number | null = null;
  let inOrder = 0;
  for (;;) {
    const problems = (await Promise.all(seats.map(problemsOf))).flat();
    const spentMs = Math.round(performance.now() - startMs);
    if (problems.every(({ isMail }) => isMail)) rostersMs ??= spentMs;
    else rostersMs = null;
    inOrder = problems.length === 0 ? inOrder + 1 : 0;
    if (inOrder === timesInOrder) return { problems: [], rostersMs, allMs: spentMs };
    if (spentMs > limitMs) return { problems: problems.map(({ text }) => text), rostersMs, allMs: null };
    await pause(everyMs);
  }
}

async function problemsOf(seats: Seat[]): Promise<Problem[]> {
  const looks = await Promise.all(seats.map(async (seat) => ({ seat, look: await seat.look() })));
  const here = looks.flatMap(({ look }) => (look === undefined ? [] : [look]));
  const expected = rosterOf(here.map(({ epoch }) => ({ epoch, state: "online" })));
  return looks.flatMap(({ seat, look }) => {
    const who = `${seat.setting.network}/${seat.setting.name}`;
    if (look === undefined) return [{ text: `${who} is not in its network`, isMail: false }];
    const mail = look.waiting > 0 ? [{ text: `${who} has ${look.waiting} messages that wait`, isMail: true }] : [];
    const others = differences(look, here, expected).map((text) => ({ text: `${who} ${text}`, isMail: false }));
    return [...others, ...mail];
  });
}

function differences(look: Look, all: Look[], expected: string): string[] {
  const found: string[] = [];
  if (!look.connected) found.push("is not connected");
  if (look.state !== "active") found.push(`is ${look.state}`);
  if (all.some(({ net }) => net !== look.net)) found.push(`is in the instance ${look.net}, others are not`);
  const roster = rosterOf(look.roster);
  if (roster !== expected) found.push(`sees ${roster}, not ${expected}`);
  return found;
}

function rosterOf(lives: { epoch: string; state: string }[]): string {
  return lives
    .map(({ epoch, state }) => (state === "online" ? epoch : `${epoch} (${state})`))
    .sort()
    .join(" ");
}
