import { mkdir, writeFile } from "node:fs/promises";
import { findPackageJSON } from "node:module";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

/** How to start a Pi. */
export interface PiOptions {
  /** The folder that everything of the test lives in, see `temporaryHome()`. */
  home: string;
  /** Names this Pi's own folders below `home`; the same name finds the same folders again. */
  name?: string;
  /** The scripted model's server; without it no model can be reached. */
  model?: { port: number };
  /** Which of the server's models this Pi uses, `scripted-1` unless given. */
  modelId?: string;
  /** The program that is Pi, and its first arguments; this Node with Pi's command line unless given. */
  program?: string[];
  /** The paths of the extensions to load; this repository's own unless given. */
  extensions?: string[];
  /** The folder Pi works in, one below `home` unless given. */
  cwd?: string;
  /** Keep sessions on disk, in a folder below `home`, instead of in memory. */
  keepSessions?: boolean;
  env?: Record<string, string>;
  args?: string[];
}

/** What a Pi is started with. */
export interface PiCommandLine {
  command: string;
  args: string[];
  cwd: string;
  env: Record<string, string>;
  sessionDir: string;
}

/** The extension of this repository, as `pi -e .` would load it. */
export const ownExtension = fileURLToPath(new URL("../../extension/index.ts", import.meta.url));

/** The variable that this project's state folder is named by, and its value below a test's home. */
export function stateFolderOf(home: string): string {
  return join(home, "pilink");
}

/**
 * Makes the folders of one Pi and says how to start it.
 *
 * @param options what the Pi is to be
 * @param mode the arguments that choose its interface
 */
export async function preparePi(options: PiOptions, mode: string[]): Promise<PiCommandLine> {
  const { home, name = "pi", modelId = "scripted-1", extensions = [ownExtension], keepSessions = false } = options;
  const agentDir = join(home, "pi-agents", name);
  const cwd = options.cwd ?? join(home, "work", name);
  const sessionDir = join(home, "sessions", name);
  for (const folder of [agentDir, cwd, sessionDir]) await mkdir(folder, { recursive: true });
  await writeFile(join(agentDir, "models.json"), JSON.stringify(modelsFile(options.model?.port ?? 9, modelId)));
  const [command = process.execPath, ...first] = options.program ?? [process.execPath, findPiCli()];
  return {
    command,
    args: [
      ...first,
      ...mode,
      "--model",
      `scripted/${modelId}`,
      ...(keepSessions ? ["--session-dir", sessionDir] : ["--no-session"]),
      ...extensions.flatMap((path) => ["-e", path]),
      ...(options.args ?? []),
    ],
    cwd,
    sessionDir,
    env: {
      ...inheritedEnv(),
      HOME: home,
      PI_CODING_AGENT_DIR: agentDir,
      PI_OFFLINE: "1",
      PILINK_HOME: stateFolderOf(home),
      ...options.env,
    },
  };
}

function modelsFile(port: number, modelId: string): unknown {
  return {
    providers: {
      scripted: {
        baseUrl: `http://127.0.0.1:${port}/v1`,
        api: "openai-completions",
        apiKey: "none",
        models: [{ id: modelId }],
      },
    },
  };
}

// Nothing of the developer's own setup may reach the Pi under test: no keys, no PI_ or PILINK_ settings.
function inheritedEnv(): Record<string, string> {
  const kept: Record<string, string> = {};
  for (const name of ["PATH", "LANG", "LC_ALL", "TMPDIR", "TZ"]) {
    const value = process.env[name];
    if (value !== undefined) kept[name] = value;
  }
  return kept;
}

function findPiCli(): string {
  const manifest = findPackageJSON("@earendil-works/pi-coding-agent", import.meta.url);
  if (manifest === undefined) throw new Error("Pi is not installed: run npm ci.");
  return join(dirname(manifest), "dist", "bundle", "cli.js");
}
