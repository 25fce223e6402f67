import { loadPackets } from "./packet-writer.ts";

/**
 * Makes the packet writer of an MQTT package do without its cache of numbers. Call it before the first packet.
 *
 * Cause: mqtt-packet makes a Buffer for each number from 0 to 65,535 when it writes its first packet, which takes 16 MB
 * of memory for ever and stops the process for 30 ms, in front of the first CONNACK. Making the two bytes of a number
 * anew for each packet costs nothing that can be measured. `cacheNumbers` is its documented switch.
 *
 * @param user the package that writes packets: its very copy is switched
 * @returns false where it cannot be found, or this mqtt-packet has no such switch; it then works as before
 */
export function dropNumberCache(user: "aedes" | "mqtt"): boolean {
  const write: unknown = Object.getOwnPropertyDescriptor(loadPackets(user) ?? {}, "writeToStream")?.value;
  return typeof write === "function" && "cacheNumbers" in write && Reflect.set(write, "cacheNumbers", false);
}
