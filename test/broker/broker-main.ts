// The managed broker's work in a process whose memory can be measured. Argument: the options, as JSON.
// Started with --expose-gc. Tells its URL, and answers every message with what it uses.
import { createRequire } from "node:module";
import { startEmbeddedBroker } from "../../broker/embedded.ts";
import { dropNumberCache } from "../../store/number-cache.ts";

const isSwitched = dropNumberCache("aedes");
const broker = await startEmbeddedBroker(JSON.parse(process.argv[2] ?? "{}"));
process.on("message", () => {
  for (let round = 0; round < 3; round += 1) globalThis.gc?.();
  const { rss, heapUsed, arrayBuffers } = process.memoryUsage();
  process.send?.({ rss, kept: heapUsed + arrayBuffers, clients: broker.clientCount(), ...broker.usage() });
});
process.on("disconnect", () => process.exit(0));
const loaded = Object.keys(createRequire(import.meta.url).cache);
process.send?.({ url: broker.url, isSwitched, loadsWs: loaded.some((path) => /[\\/]ws[\\/]lib[\\/]/.test(path)) });
