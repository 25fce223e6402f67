import { execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { promisify } from "node:util";
import { z } from "zod";
import { messageOf } from "../../protocol/errors.ts";
import { npmEnvironment, projectFolder } from "../install/tools.ts";
import { guardProcess, onCleanup } from "../support/cleanup.ts";
import { eventually, withinDeadline } from "../support/eventually.ts";

const version = "2.1.197";
// It is 240 MB; where that takes longer, the test is not worth it.
const installLimitMs = 90_000;

/**
 * Makes sure that Claude Code is there, in a folder of the tests' own: its licence is not ours, so it is no dependency.
 *
 * @returns its command, or why there is none
 */
export async function findClaudeCode(): Promise<{ command: string } | { missing: string }> {
  if (process.env.PILINK_TEST_CLAUDE === "0") return { missing: "PILINK_TEST_CLAUDE=0" };
  const folder = join(projectFolder, "node_modules", ".cache", `claude-code-${version}`);
  const command = join(folder, "node_modules", ".bin", "claude");
  const installed = join(folder, "installed");
  if (existsSync(installed)) return { command };
  try {
    await mkdir(folder, { recursive: true });
    // npm would otherwise take the project around it for the one to install into.
    await writeFile(join(folder, "package.json"), JSON.stringify({ private: true }));
    const spec = `@anthropic-ai/claude-code@${version}`;
    await promisify(execFile)("npm", ["install", "--no-audit", "--no-fund", "--no-save", spec], {
      cwd: folder,
      env: npmEnvironment(),
      timeout: installLimitMs,
    });
    await promisify(execFile)(command, ["--version"], { timeout: 30_000 });
    await writeFile(installed, "");
    return { command };
  } catch (error) {
    return { missing: `Claude Code cannot be installed here: ${messageOf(error).split("\n")[0]}` };
  }
}

/** What Claude Code is run with. */
export interface ClaudeRun {
  command: string;
  /** The folder that it works in. */
  cwd: string;
  /** The folder of its own state. */
  home: string;
  /** Its MCP servers, as in `.mcp.json`. */
  mcpServers: object;
  /** Its settings, as in `.claude/settings.json`. */
  settings?: object;
  modelUrl: string;
  env?: Record<string, string>;
}

/** A Claude Code that runs without a terminal, and is given one prompt after the other. */
export interface ClaudeCode {
  /** @returns its answer */
  ask(prompt: string): Promise<string>;
  /** Ends it as its user would. */
  close(): Promise<void>;
}

const answerSchema = z.object({ type: z.literal("result"), result: z.string() });
const answerLimitMs = 90_000;

/** Starts Claude Code; `stopEverything()` ends it. */
export async function startClaudeCode(run: ClaudeRun): Promise<ClaudeCode> {
  const { command, cwd, home, mcpServers, settings = {}, modelUrl, env = {} } = run;
  await mkdir(cwd, { recursive: true });
  const config = join(home, "mcp.json");
  const settingsFile = join(home, "settings.json");
  await writeFile(config, JSON.stringify({ mcpServers }));
  await writeFile(settingsFile, JSON.stringify(settings));
  const child = spawn(
    command,
    [
      ...["-p", "--input-format", "stream-json", "--output-format", "stream-json", "--verbose"],
      ...["--mcp-config", config, "--strict-mcp-config", "--settings", settingsFile, "--allowedTools", "mcp__pilink"],
    ],
    {
      cwd,
      env: {
        PATH: process.env.PATH ?? "",
        HOME: home,
        CLAUDE_CONFIG_DIR: join(home, "claude"),
        ANTHROPIC_BASE_URL: modelUrl,
        ANTHROPIC_API_KEY: "none",
        DISABLE_AUTOUPDATER: "1",
        CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC: "1",
        ...env,
      },
    },
  );
  await once(child, "spawn");
  const release = guardProcess(child.pid ?? 0);
  let written = "";
  child.stderr.on("data", (chunk: Buffer) => {
    written += chunk.toString("utf8");
  });
  const answers: string[] = [];
  createInterface({ input: child.stdout }).on("line", (line) => {
    written += `${line}\n`;
    const answer = answerSchema.safeParse(JSON.parse(line));
    if (answer.success) answers.push(answer.data.result);
  });
  const gone = once(child, "exit").then(() => {
    release();
    forget();
  });
  const forget = onCleanup(async () => {
    child.kill("SIGKILL");
    await gone;
  });
  let asked = 0;
  return {
    async ask(prompt) {
      const message = { type: "user", message: { role: "user", content: prompt } };
      child.stdin.write(`${JSON.stringify(message)}\n`);
      const index = asked;
      asked += 1;
      return eventually(
        () => {
          const answer = answers[index];
          if (answer === undefined) throw new Error(`Claude Code did not answer:\n${written.slice(-4_000)}`);
          return answer;
        },
        { timeoutMs: answerLimitMs },
      );
    },
    async close() {
      child.stdin.end();
      await withinDeadline(gone, 20_000, () => `Claude Code lives on:\n${written.slice(-4_000)}`);
    },
  };
}
