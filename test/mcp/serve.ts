import { runMcp } from "../../mcp/main.ts";
import { checkFlags } from "../../peer/settings.ts";

// The MCP server as `pilink mcp` runs it, without the command line before it.
const flags: unknown = JSON.parse(process.argv[2] ?? "{}");
await runMcp({ flags: checkFlags(typeof flags === "object" && flags !== null ? flags : {}) });
process.exit();
