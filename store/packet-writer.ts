import { createRequire } from "node:module";

/**
 * Loads the very copy of mqtt-packet that a package uses, wherever the package manager has put it. A bundle has another
 * file in the place of this one (see packing/packet-writer.ts).
 *
 * @param user the package that writes packets
 * @returns undefined where it cannot be found
 */
export function loadPackets(user: "aedes" | "mqtt"): object | undefined {
  try {
    const packets: unknown = createRequire(createRequire(import.meta.url).resolve(user))("mqtt-packet");
    return typeof packets === "function" || (typeof packets === "object" && packets !== null) ? packets : undefined;
  } catch {
    // A program that Bun has compiled reads no package.json, and finds no package in this way.
    return undefined;
  }
}
