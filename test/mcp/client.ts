import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { type CallToolResult, Client, type ClientCapabilities } from "@modelcontextprotocol/client";
import { StdioClientTransport } from "@modelcontextprotocol/client/stdio";
import type { Settings } from "../../peer/settings.ts";
import { guardProcess, onCleanup } from "../support/cleanup.ts";
import { eventually } from "../support/eventually.ts";
import { isAlive } from "../support/live-processes.ts";

/** The MCP that a client speaks: the one of 2025, or the one of 2026 without `initialize`. */
export type Era = "2025" | "2026";

/** How to start a server with its client. */
export interface ClientOptions {
  /** The state folder. */
  home: string;
  flags?: Settings;
  /** The program that is the server, after Node; {@link serverFile} with the flags unless given. */
  args?: string[];
  env?: Record<string, string>;
  /** The name of the folder that it works in, below `home`. */
  folder?: string;
  era?: Era;
  capabilities?: ClientCapabilities;
  /** Answers the questions to the person; without it the client cannot ask. */
  onQuestion?: (message: string) => "yes" | "no" | "away";
}

/** An MCP client with the server that it started. */
export interface McpClient {
  client: Client;
  pid: number;
  /** What the server wrote to standard error so far. */
  stderr(): string;
  /** Calls a tool. @returns its text */
  call(name: string, parameters?: Record<string, unknown>, signal?: AbortSignal): Promise<string>;
  /** Calls a tool that fails. @returns its text */
  fail(name: string, parameters?: Record<string, unknown>): Promise<string>;
  /** Closes the line as a client does that ends. */
  close(): Promise<void>;
  /** Waits until the server is gone. */
  gone(): Promise<void>;
}

/** The file that is a server, and takes its flags as JSON. */
export const serverFile = fileURLToPath(new URL("serve.ts", import.meta.url));

/** Starts a server and connects a client to it; `stopEverything()` ends both. */
export async function startClient(options: ClientOptions): Promise<McpClient> {
  const { home, flags = {}, env = {}, folder = "work", era = "2025", onQuestion } = options;
  const cwd = join(home, folder);
  await mkdir(cwd, { recursive: true });
  const transport = new StdioClientTransport({
    command: process.execPath,
    args: options.args ?? [serverFile, JSON.stringify(flags)],
    cwd,
    env: { PATH: process.env.PATH ?? "", PILINK_HOME: home, ...env },
    stderr: "pipe",
  });
  const client = new Client(
    { name: "test-client", version: "1.0.0" },
    {
      capabilities: { ...options.capabilities, ...(onQuestion === undefined ? {} : { elicitation: {} }) },
      versionNegotiation: { mode: era === "2025" ? "legacy" : { pin: "2026-07-28" } },
    },
  );
  if (onQuestion !== undefined) {
    client.setRequestHandler("elicitation/create", ({ params }) => {
      const said = onQuestion(params.message);
      return said === "away" ? { action: "cancel" } : { action: "accept", content: { agreed: said === "yes" } };
    });
  }
  let written = "";
  transport.stderr?.on("data", (chunk: Buffer) => {
    written += chunk.toString("utf8");
  });
  await client.connect(transport);
  const pid = transport.pid ?? 0;
  const release = guardProcess(pid);
  const close = async () => {
    forget();
    await client.close();
    await gone();
    release();
  };
  const gone = async () => {
    await eventually(async () => !(await isAlive(pid)), { timeoutMs: 20_000 });
  };
  const forget = onCleanup(close);
  const ask = async (name: string, parameters: Record<string, unknown>, signal?: AbortSignal) => {
    const result = await client.callTool(
      { name, arguments: parameters },
      { timeout: 90_000, ...(signal === undefined ? {} : { signal }) },
    );
    return result;
  };
  return {
    client,
    pid,
    stderr: () => written,
    async call(name, parameters = {}, signal) {
      const result = await ask(name, parameters, signal);
      if (result.isError === true) throw new Error(`${name} failed: ${textOf(result)}`);
      return textOf(result);
    },
    async fail(name, parameters = {}) {
      const result = await ask(name, parameters);
      if (result.isError !== true) throw new Error(`${name} did not fail: ${textOf(result)}`);
      return textOf(result);
    },
    close,
    gone,
  };
}

function textOf({ content }: CallToolResult): string {
  return content.map((part) => (part.type === "text" ? part.text : `[${part.type}]`)).join("\n");
}
