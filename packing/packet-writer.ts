import { createRequire } from "node:module";
import type { Plugin } from "rolldown";

const replaced = /[\\/]store[\\/]packet-writer\.ts$/;
const users = ["mqtt", "aedes"];

/**
 * Gives `store/packet-writer.ts` the packet writer that is in the bundle, instead of the one that a package manager has
 * put beside the packages that use it.
 *
 * @throws Error where `mqtt` and `aedes` use different ones
 */
export function takePacketWriter(): Plugin {
  return {
    name: "packet-writer",
    load(id) {
      if (!replaced.test(id)) return undefined;
      const require = createRequire(id);
      const places = new Set(users.map((user) => createRequire(require.resolve(user)).resolve("mqtt-packet")));
      const [place] = places;
      if (places.size !== 1)
        throw new Error(`More than one mqtt-packet: ${[...places].join(", ")}. Install them anew.`);
      return `import packets from ${JSON.stringify(place)};\nexport const loadPackets = () => packets;\n`;
    },
  };
}
