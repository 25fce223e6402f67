import { createRequire } from "node:module";

/**
 * Makes Aedes' packet writer do without its cache of numbers.
 *
 * Cause: mqtt-packet makes a Buffer for each number from 0 to 65,535 when it writes its first packet, which takes 16 MB
 * of memory for ever and stops the process for 30 ms, in front of the first CONNACK. Making the two bytes of a number
 * anew for each packet costs nothing that can be measured. `cacheNumbers` is its documented switch.
 *
 * @returns false where this mqtt-packet has no such switch; it then works as before
 */
export function dropNumberCache(): boolean {
  // The very copy that Aedes uses, wherever the package manager has put it.
  const requireAsAedes = createRequire(createRequire(import.meta.url).resolve("aedes"));
  const packets: unknown = requireAsAedes("mqtt-packet");
  const write: unknown = Object.getOwnPropertyDescriptor(packets, "writeToStream")?.value;
  return typeof write === "function" && "cacheNumbers" in write && Reflect.set(write, "cacheNumbers", false);
}
