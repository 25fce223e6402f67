import { fileURLToPath } from "node:url";
import { Client } from "@modelcontextprotocol/client";
import { StdioClientTransport } from "@modelcontextprotocol/client/stdio";

// A client that tells its parent the process of its server, and then waits to be killed.
const transport = new StdioClientTransport({
  command: process.execPath,
  args: [fileURLToPath(new URL("serve.ts", import.meta.url)), process.argv[2] ?? "{}"],
  env: { PATH: process.env.PATH ?? "", PILINK_HOME: process.env.PILINK_HOME ?? "" },
  stderr: "ignore",
});
const client = new Client({ name: "dying-client", version: "1.0.0" });
await client.connect(transport);
process.send?.(transport.pid);
