import type { Peer } from "../peer/peer.ts";
import { cleanLine } from "../protocol/clean.ts";
import type { Carried } from "./connection.ts";

/** The variable by which the processes that a joined Pi starts know that it is in a network. */
const markName = "PILINK_JOINED";

/** Who has started this Pi, where that one is in a network: `<pid>/<network>/<name>`. */
export function inheritedMark(env: Readonly<Record<string, string | undefined>> = process.env): string | undefined {
  const mark = env[markName];
  return mark === undefined || mark === "" || mark.startsWith(`${process.pid}/`) ? undefined : cleanLine(mark, 200);
}

/** Marks the environment that this Pi gives to what it starts, or leaves it as this Pi was given it. */
export function showMark(carried: Carried, peer: Peer | undefined): void {
  const isIn = peer !== undefined && (peer.state === "active" || peer.state === "suspended");
  const mark = isIn ? `${process.pid}/${peer.network}/${peer.name}` : carried.inheritedMark;
  if (mark === undefined) delete process.env[markName];
  else process.env[markName] = mark;
}
