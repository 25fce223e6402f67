import { hostname } from "node:os";
import { basename } from "node:path";
import { cleanLine } from "../protocol/clean.ts";
import type { Presence } from "../protocol/presence.ts";
import { protocolVersion } from "../protocol/version.ts";

/** What does not change during a life. */
export interface Identity {
  network: string;
  name: string;
  kind: "host" | "member";
  epoch: string;
  net: string;
  box: string;
  /** The host's name. */
  host: string;
  keepaliveMs: number;
  sinceMs: number;
}

/** What a peer says of itself and may change. */
export interface Description {
  role: string | undefined;
  model: string | undefined;
  activity: string | undefined;
  /** How much of the model's context is used, in percent. */
  contextPercent: number | undefined;
  folder: string | undefined;
  about: string | undefined;
}

/**
 * Makes a presence record.
 *
 * @param conn the number of the connection that publishes it
 */
export function makePresence(
  identity: Identity,
  description: Description,
  state: Presence["state"],
  conn: number,
): Presence {
  const { kind, epoch, net, box, keepaliveMs, sinceMs } = identity;
  const { contextPercent, ...said } = description;
  const texts = { ...said, machine: hostname(), folder: basename(description.folder ?? "") };
  return {
    v: protocolVersion,
    state,
    net,
    epoch,
    conn,
    box,
    kind,
    keepalive: keepaliveMs,
    since: sinceMs,
    ...(state === "online" ? shownTexts(texts) : {}),
    ...(state === "online" && contextPercent !== undefined ? { context: contextPercent } : {}),
  };
}

function shownTexts(texts: Record<string, string | undefined>): Record<string, string> {
  const shown: Record<string, string> = {};
  for (const [key, text] of Object.entries(texts)) {
    const line = text === undefined ? "" : cleanLine(text, 200);
    if (line !== "") shown[key] = line;
  }
  return shown;
}
