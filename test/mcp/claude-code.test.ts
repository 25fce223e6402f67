import { chmod, mkdir, readFile, writeFile } from "node:fs/promises";
import { delimiter, join } from "node:path";
import { describe, expect, it } from "vitest";
import { z } from "zod";
import { projectFolder } from "../install/tools.ts";
import { type AnthropicReply, type AnthropicRequest, startAnthropicModel } from "./anthropic-model.ts";
import { findClaudeCode, startClaudeCode } from "./claude-code.ts";
import { useStage } from "./stage.ts";

const prepare = useStage();
const found = await findClaudeCode();
if ("missing" in found) console.warn(`test/mcp/claude-code.test.ts is skipped: ${found.missing}`);
const command = "command" in found ? found.command : "";

/** The executable of this clone, as an installed package would put it on the PATH. */
async function installPilink(home: string): Promise<string> {
  const folder = join(home, "bin");
  await mkdir(folder);
  const file = join(folder, "pilink");
  await writeFile(
    file,
    `#!/bin/sh\nexec ${JSON.stringify(process.execPath)} ${join(projectFolder, "cli/pilink.js")} "$@"\n`,
  );
  await chmod(file, 0o755);
  return folder;
}

/** The examples of the README for Claude Code: its servers, and its hooks. */
async function readExamples() {
  const readme = await readFile(join(projectFolder, "README.md"), "utf8");
  const section = readme.slice(readme.indexOf("**Claude Code**"), readme.indexOf("**Codex**"));
  const [servers, settings] = [...section.matchAll(/```json\n(.*?)```/gs)].map(([, json = ""]) => json);
  return {
    mcpServers: z
      .object({ mcpServers: z.object({ pilink: z.object({ command: z.string(), args: z.array(z.string()) }) }) })
      .parse(JSON.parse(servers ?? "")).mcpServers,
    settings: z.object({ hooks: z.object({}).loose() }).parse(JSON.parse(settings ?? "")),
  };
}

/** The end of a conversation: Claude Code may put reminders of its own behind a result. */
function newestIn(request: AnthropicRequest | undefined): string {
  return request?.messages.slice(-3).join("\n") ?? "";
}

describe.skipIf(command === "")("Claude Code, as the README sets it up", () => {
  it("talks to another agent, and is told of what is unread", async () => {
    const stage = await prepare();
    const dev = await stage.create("dev", { role: "backend" });
    const home = await stage.otherHome();
    const bin = await installPilink(home);
    const { mcpServers, settings } = await readExamples();
    const { pilink } = mcpServers;
    const steps: (() => AnthropicReply | Promise<AnthropicReply>)[] = [
      () => ({ tool: "mcp__pilink__pilink_agents", input: {} }),
      () => ({ tool: "mcp__pilink__pilink_send", input: { to: "dev", body: "is the build green?" } }),
      () => ({ tool: "mcp__pilink__pilink_inbox", input: { wait_seconds: 40 } }),
      () => ({ text: "It is green." }),
      // The second prompt: a message is there, which the hook tells.
      () => ({ tool: "mcp__pilink__pilink_inbox", input: {} }),
      // One comes while the model works: the hook does not let it end its turn.
      async () => {
        await dev.peer.send({ to: "claude", body: "and the shop is open" });
        return { text: "I would end here." };
      },
      () => ({ tool: "mcp__pilink__pilink_inbox", input: {} }),
      () => ({ text: "Nothing is left." }),
    ];
    const hasTools = ({ tools }: AnthropicRequest) => tools.includes("mcp__pilink__pilink_inbox");
    const model = await startAnthropicModel(async (request) => {
      // Claude Code does not wait for its servers: its model has to.
      if (!hasTools(request)) return { tool: "WaitForMcpServers", input: {} };
      return (await steps.shift()?.()) ?? { text: "done" };
    });
    dev.peer.events.once("message", ({ id, from }) => {
      void dev.peer.send({ to: from ?? "", body: "green since noon", re: id });
    });
    const claude = await startClaudeCode({
      command,
      cwd: join(home, "shop"),
      home,
      mcpServers: {
        pilink: { ...pilink, args: pilink.args.map((word) => (word === "lab" ? stage.network : word)) },
      },
      settings,
      modelUrl: model.url,
      env: {
        PATH: [bin, process.env.PATH].join(delimiter),
        PILINK_HOME: home,
        PILINK_URL: stage.url,
        PILINK_KEEPALIVE_MS: "1000",
      },
    });
    expect(await claude.ask("Ask dev whether the build is green.")).toBe("It is green.");
    const [, second, third, fourth, ...more] = model.requests.filter(hasTools);
    expect(newestIn(second)).toContain("- dev (host) — backend");
    expect(newestIn(third)).toContain("dev: received");
    expect(newestIn(fourth)).toMatch(/Message from the agent "dev".*\ngreen since noon\n/s);
    expect(more).toEqual([]);

    await dev.peer.send({ to: "claude", body: "the shop is closed" });
    expect(await claude.ask("Is the shop open?")).toBe("Nothing is left.");
    const told = "PI//LINK: 1 unread from other agents. Call pilink_inbox.";
    const [fifth, sixth, seventh, eighth] = model.requests.filter(hasTools).slice(4);
    expect(newestIn(fifth)).toContain(told);
    expect(newestIn(sixth)).toContain("\nthe shop is closed\n");
    expect(newestIn(seventh)).toContain(told);
    expect(newestIn(eighth)).toContain("\nand the shop is open\n");
    const instructed = model.requests.some(({ system, messages }) =>
      [system, ...messages].join("\n").includes("gives you what others wrote; nothing appears by itself."),
    );
    expect(instructed).toBe(true);
    await claude.close();
    await dev.until("departed");
    expect(dev.peer.sent().map(({ state }) => state)).toEqual(["seen", "seen", "seen"]);
  }, 240_000);
});
