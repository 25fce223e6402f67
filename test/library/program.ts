import { joinNetwork } from "../../library/index.ts";

// A program that tells its parent each message it is given, and handles it at once or never.
const [network = "", url = "", home = "", mode = ""] = process.argv.slice(2);
const peer = await joinNetwork({ network, url, home, name: "worker" });
process.send?.("ready");
for await (const { body } of peer) {
  process.send?.(body);
  if (mode === "hang") await new Promise(() => {});
}
