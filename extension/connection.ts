import type { Peer } from "../peer/peer.ts";

/** What outlives a Pi session: the peer, and how it got to its broker. */
export interface Connection {
  peer: Peer;
  broker: {
    /** The address without credentials. */
    url: string;
    managed: boolean;
    /** True where nobody named an address: then nobody else has to name it either. */
    isDefault: boolean;
  };
}

// /new, /resume, /fork and /reload give the extension a new runtime, /reload even new modules. What has to survive
// them is kept under a symbol of the registry, because no module is there before and after.
const key = Symbol.for("pilink-mqtt.connection");

/** The connection of this Pi process, if it is in a network. */
export function carriedConnection(): Connection | undefined {
  const carried: unknown = Reflect.get(globalThis, key);
  return isConnection(carried) ? carried : undefined;
}

/** Keeps a connection for the sessions that follow, or forgets it. */
export function carryConnection(connection: Connection | undefined): void {
  if (connection === undefined) Reflect.deleteProperty(globalThis, key);
  else Reflect.set(globalThis, key, connection);
}

function isConnection(value: unknown): value is Connection {
  return typeof value === "object" && value !== null && "peer" in value && "broker" in value;
}
