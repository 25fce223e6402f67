import { existsSync } from "node:fs";
import { mkdir, readdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { Client } from "@modelcontextprotocol/client";
import { StdioClientTransport } from "@modelcontextprotocol/client/stdio";
import { beforeAll, describe, expect, test } from "vitest";
import { useStage } from "../e2e/stage.ts";
import { preparePi } from "../support/pi-home.ts";
import { exchange } from "./exchange.ts";
import { manifest, npmEnvironment, npmInstall, packTarball, projectFolder, runTool, serveRegistry } from "./tools.ts";

const peers = ["@earendil-works", "typebox"];

describe("the package", { timeout: 60_000 }, () => {
  const stage = useStage();
  let tarball = "";

  /** Runs `pi <args>` as a person would, whose agent folder the two Pis of the exchange use later. */
  async function pi(args: string[], env: Record<string, string> = {}): Promise<string> {
    const line = await preparePi({ home: stage.home().path, name: "dev", modelId: "dev", extensions: [] }, []);
    const { PI_OFFLINE: _, ...settings } = line.env;
    return await runTool(line.command, [...line.args.slice(0, 1), ...args], {
      cwd: line.cwd,
      env: { ...npmEnvironment(), ...settings, ...env },
    });
  }

  /** What both Pis are: without an extension of their own, so that they load what was installed. */
  const installed = () => ({
    extensions: [],
    modelId: "dev",
    env: { PI_CODING_AGENT_DIR: join(stage.home().path, "pi-agents", "dev") },
  });

  beforeAll(async () => {
    const folder = join(stage.home().path, "packed");
    await mkdir(folder);
    tarball = await packTarball(folder);
  }, 30_000);

  test("holds what a user needs and nothing else, in at most 6 MB", async () => {
    const check = join(projectFolder, ".ci", "check-tarball.ts");
    const output = await runTool(process.execPath, [check, tarball], { cwd: projectFolder });
    expect(output).toMatch(/^tarball: \d+ files, \d+ bytes unpacked$/m);
  });

  test("unpacked into an empty folder without development packages, named with -e as a folder and as a file", async () => {
    const folder = join(stage.home().path, "empty");
    await mkdir(folder);
    await writeFile(join(folder, "package.json"), "{}");
    // As Pi does it: the peers are Pi's own, and stay out.
    await npmInstall(folder, ["--omit=dev", "--omit=peer", "--legacy-peer-deps", tarball]);
    const place = join(folder, "node_modules", manifest.name);
    const others = await readdir(join(folder, "node_modules"));
    expect(others.filter((name) => peers.includes(name) || name === "typescript")).toEqual([]);
    const byFolder = await exchange(stage, { extensions: [place] });
    // Pi takes a file as an extension alone; the skill is named beside it.
    const args = ["--skill", join(place, "skills", "pilink")];
    const byFile = await exchange(stage, { extensions: [join(place, "extension", "index.ts")], args });
    for (const { command } of [byFolder, byFile]) {
      expect(command).toContain(`${join(place, "dist", "bundle", "broker.js")} {`);
    }
  });

  test("npm install pilink-mqtt for a program and a shell: without Pi, with types, with the MCP server", async () => {
    const folder = join(stage.home().path, "program");
    await mkdir(folder);
    await writeFile(join(folder, "package.json"), JSON.stringify({ private: true, type: "module" }));
    await npmInstall(folder, [tarball]);
    const others = await readdir(join(folder, "node_modules"));
    expect(others.filter((name) => peers.includes(name) || name === "typescript")).toEqual([]);
    const options = { strict: true, skipLibCheck: false, noEmit: true, module: "nodenext", target: "es2024" };
    const compilerOptions = { ...options, lib: ["es2024", "esnext.disposable"], types: ["node"] };
    await writeFile(join(folder, "tsconfig.json"), JSON.stringify({ compilerOptions, files: ["program.ts"] }));
    const program =
      'import { joinNetwork } from "pilink-mqtt";\nconst join: Function = joinNetwork;\nconsole.log(join.name);\n';
    await writeFile(join(folder, "program.ts"), program);
    await runTool(join(projectFolder, "node_modules", ".bin", "tsc"), ["-p", folder], { cwd: folder });
    expect(await runTool(process.execPath, ["program.ts"], { cwd: folder })).toBe("joinNetwork\n");
    const pilink = join(folder, "node_modules", ".bin", "pilink");
    expect(await runTool(pilink, ["--version"], { cwd: folder })).toBe(`${manifest.version}\n`);
    const client = new Client({ name: "test", version: "1.0.0" });
    const env = { ...npmEnvironment(), PILINK_HOME: join(folder, "home") };
    await client.connect(new StdioClientTransport({ command: pilink, args: ["mcp"], cwd: folder, env }));
    expect(client.getServerVersion()).toMatchObject({ name: "pilink", version: manifest.version });
    expect((await client.listTools()).tools).toHaveLength(5);
    await client.close();
  });

  test("pi install npm:pilink-mqtt", async () => {
    const source = `npm:${manifest.name}`;
    await pi(["install", source], { npm_config_registry: await serveRegistry(tarball) });
    const modules = join(stage.home().path, "pi-agents", "dev", "npm", "node_modules");
    const place = join(modules, manifest.name);
    expect((await readdir(modules)).filter((name) => peers.includes(name))).toEqual([]);
    expect(await pi(["list"])).toContain(source);
    const broker = await exchange(stage, installed());
    expect(broker.command).toContain(`${join(place, "dist", "bundle", "broker.js")} {`);
    await pi(["remove", source]);
    expect(existsSync(place)).toBe(false);
  });

  test("pi install git:…, a clone without compiler and without dist", async () => {
    const source = "git:github.com/example/pilink-mqtt";
    // The address that a user types, and this repository's HEAD behind it.
    await pi(["install", source], {
      GIT_CONFIG_COUNT: "1",
      GIT_CONFIG_KEY_0: `url.file://${projectFolder}.insteadOf`,
      GIT_CONFIG_VALUE_0: "https://github.com/example/pilink-mqtt",
    });
    const place = join(stage.home().path, "pi-agents", "dev", "git", "github.com", "example", "pilink-mqtt");
    const modules = await readdir(join(place, "node_modules"));
    expect(modules.filter((name) => [...peers, "typescript"].includes(name))).toEqual([]);
    expect(existsSync(join(place, "dist"))).toBe(false);
    const broker = await exchange(stage, installed());
    expect(broker.command).toContain(`${join(place, "broker", "main.ts")} {`);
    await pi(["remove", source]);
  });

  test("pi install ./path, and pi -e ./path, of a clone where npm ran with --omit=dev", async () => {
    const place = join(stage.home().path, "clone");
    await runTool("git", ["clone", "--quiet", "--no-local", projectFolder, place], { cwd: stage.home().path });
    await npmInstall(place, ["--omit=dev"]);
    await pi(["install", place]);
    const first = await exchange(stage, installed());
    await pi(["remove", place]);
    const second = await exchange(stage, { extensions: [place] });
    for (const { command } of [first, second]) expect(command).toContain(`${join(place, "broker", "main.ts")} {`);
  });
});
