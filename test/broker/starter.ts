import { ensureBroker } from "../../broker/managed.ts";

// One face in a process of its own: makes sure that a broker runs and prints what it got.
// Arguments: home, default port, and "stay" to remain until it is killed.
const [home = "", defaultPort = "", stay] = process.argv.slice(2);
const result = await ensureBroker({ home, defaultPort: Number(defaultPort) });
process.stdout.write(`${JSON.stringify(result)}\n`);
if (stay === "stay") setInterval(() => {}, 60_000);
