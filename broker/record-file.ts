import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { type BrokerAddress, formatAddress } from "../protocol/address.ts";
import { hasCode, removeFile, unusable, writeFileAtomically } from "../store/folder.ts";
import type { BrokerRecord } from "./record.ts";

// What the broker's own process needs of its record. It stays free of zod, which costs that process 15 MB of memory.

/** Where a broker listens. */
export interface Place {
  host: string;
  port: number;
}

/** Where a managed broker binds for an address. */
export function placeOf({ host, port }: BrokerAddress): Place {
  return { host: host === "localhost" ? "127.0.0.1" : host, port };
}

/** The folder of the records, marks and the log of managed brokers. */
export function brokerFolder(home: string): string {
  return join(home, "broker");
}

/** The file of the record of the broker at a place. */
export function recordPath(home: string, place: Place): string {
  return join(brokerFolder(home), `${placeName(place)}.json`);
}

/** The file of the stop mark of a place. */
export function markPath(home: string, place: Place): string {
  return join(brokerFolder(home), `${placeName(place)}.stopped`);
}

/** How a client on this machine reaches a broker that is bound to a host. */
export function reachableUrl({ host, port }: Place): string {
  if (host === "0.0.0.0") return formatAddress("127.0.0.1", port);
  return formatAddress(host === "::" ? "::1" : host, port);
}

/** The same for MQTT over WebSocket. */
export function reachableWsUrl(place: Place): string {
  return reachableUrl(place).replace(/^mqtt:/, "ws:");
}

/**
 * Writes a broker's record; called by the broker's own process.
 *
 * @throws PilinkError `state-unusable` where it cannot be written
 */
export async function writeRecord(home: string, record: BrokerRecord): Promise<void> {
  await writeFileAtomically(recordPath(home, record), `${JSON.stringify(record, null, 2)}\n`);
}

/**
 * Removes a broker's record, unless another broker has taken the place.
 *
 * @throws PilinkError `state-unusable` where it cannot be removed
 */
export async function removeRecord(home: string, record: BrokerRecord): Promise<void> {
  const path = recordPath(home, record);
  let text: string;
  try {
    text = await readFile(path, "utf8");
  } catch (error) {
    if (hasCode(error, "ENOENT")) return;
    throw unusable(path, error);
  }
  // The token is long, random, and written nowhere else.
  if (text.includes(record.control.token)) await removeFile(path);
}

function placeName({ host, port }: Place): string {
  // One who listens on every address is in the way of one on 127.0.0.1, so they have one name.
  const usual = ["127.0.0.1", "localhost", "0.0.0.0", "::"].includes(host);
  return usual ? String(port) : `${host.replace(/[^a-z0-9]/gi, "-")}-${port}`;
}
