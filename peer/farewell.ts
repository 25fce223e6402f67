import { deleteSession, type LinkOptions } from "./link.ts";
import type { Wire } from "./wire.ts";

/** How to end a stay on a broker. */
export interface Farewell {
  wire: Wire;
  connection: LinkOptions;
  /** After this the connection is dropped whatever the broker does. */
  timeoutMs: number;
  /** Takes back what was published; undefined where nothing was, or it is somebody else's by now. */
  farewell: (() => Promise<void>) | undefined;
}

/**
 * Says good-bye to a broker, ends the connection, and makes the broker forget the session, for which it would queue
 * without end. Never throws: where the connection ends first, the will says the rest.
 */
export async function sayFarewell({ wire, connection, timeoutMs, farewell }: Farewell): Promise<void> {
  const deadline = new Promise<void>((resolve) => setTimeout(resolve, timeoutMs).unref());
  if (farewell !== undefined && wire.link.connected) {
    await Promise.race([farewell().catch(() => undefined), deadline]);
  }
  const wasConnected = wire.link.connected;
  await wire.link.close({ graceful: true, timeoutMs: 200 });
  if (!wasConnected) return;
  await Promise.race([deleteSession({ ...connection, url: wire.link.url }).catch(() => undefined), deadline]);
}
