import { newBox } from "../protocol/ids.ts";
import type { Presence } from "../protocol/presence.ts";
import type { LinkOptions } from "./link.ts";
import { Wire } from "./wire.ts";

/**
 * Ends a record: first `left`, so that nobody takes the empty record for nothing ([PRES-10] in topics.md).
 *
 * @throws PilinkError `connection-lost`
 */
export async function clearRecord(wire: Wire, name: string, presence: Presence): Promise<void> {
  await wire.publishPresence(name, { ...presence, state: "left" });
  await wire.clearPresence(name);
}

/**
 * Ends a record on behalf of a life that cannot, if the broker permits that. Mosquitto 2.0.11 closes the connection that
 * publishes a second time what is forbidden, and would then publish the will of a living peer: so this takes a
 * connection of its own, which has none. Never throws: a record that stays is a ghost's all the same ([PRES-18]).
 *
 * @param network the network's name
 * @param connection how the peer that does this reaches the broker
 * @param name whose record it is
 */
export async function clearGhostRecord(
  network: string,
  connection: Pick<LinkOptions, "url" | "username" | "password" | "ca" | "keepaliveMs">,
  name: string,
  presence: Presence,
): Promise<void> {
  const { url, username, password, ca, keepaliveMs } = connection;
  const account = { url, username, password, ca, keepaliveMs };
  const wire = new Wire(network, name, { ...account, clientId: `pls${newBox()}`, clean: true });
  try {
    await wire.link.open();
    await clearRecord(wire, name, presence);
  } catch {
    // Forbidden, or the broker is gone: both leave the record, which nobody takes for a living peer's.
  } finally {
    await wire.link.close();
  }
}
