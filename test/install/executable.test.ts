import { execFile } from "node:child_process";
import { mkdir, realpath, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { stopEverything } from "../support/cleanup.ts";
import { eventually } from "../support/eventually.ts";
import { freePort } from "../support/network.ts";
import { type TemporaryHome, temporaryHome } from "../support/temporary-home.ts";
import { manifest, npmInstall, packTarball, projectFolder, runTool } from "./tools.ts";

describe("the executable", { timeout: 120_000 }, () => {
  let home: TemporaryHome | undefined;
  const path = () => home?.path ?? expect.fail("the home is made before the tests");

  beforeAll(async () => {
    home = await temporaryHome();
  });
  afterAll(stopEverything);

  test("of an installed package runs what is compiled, also in the background", async () => {
    const folder = join(path(), "user");
    await mkdir(folder);
    await writeFile(join(folder, "package.json"), "{}");
    await npmInstall(folder, ["--omit=dev", "--omit=peer", "--legacy-peer-deps", await packTarball(path())]);
    const env = { PILINK_HOME: join(path(), "state"), PILINK_URL: `mqtt://127.0.0.1:${await freePort()}` };
    const pilink = (...args: string[]) =>
      runTool(join(folder, "node_modules", ".bin", "pilink"), args, { cwd: folder, env });
    expect((await pilink("--version")).trim()).toBe(manifest.version);
    expect(await pilink("guide")).toContain("# Talking to other agents");
    await pilink("join", "lab", "--name", "dev", "--create", "--background");
    await pilink("join", "lab", "--name", "build", "--background");
    const place = await realpath(join(folder, "node_modules", manifest.name));
    const commands = (await home?.processes())?.map(({ command }) => command) ?? [];
    expect(commands.filter((command) => command.endsWith(join(place, "dist", "bundle", "background.js")))).toHaveLength(
      2,
    );
    expect(
      commands.filter((command) => command.includes(`${join(place, "dist", "bundle", "broker.js")} {`)),
    ).toHaveLength(1);
    expect(await pilink("send", "build", "hello", "--as", "dev")).toContain("build: received");
    expect(JSON.parse(await pilink("recv", "--as", "build", "--json"))).toMatchObject({ from: "dev", body: "hello" });
    await pilink("leave", "--all");
    await pilink("broker", "stop");
    await eventually(async () => expect(await home?.processes()).toEqual([]), { timeoutMs: 20_000 });
  });

  test("says so where Node is too old", async () => {
    const older = "Object.defineProperty(process, 'versions', { value: { ...process.versions, node: '20.19.0' } })";
    const line = [
      "--import",
      `data:text/javascript,${encodeURIComponent(older)}`,
      join(projectFolder, "cli/pilink.js"),
      "--version",
    ];
    const failed = await promisify(execFile)(process.execPath, line).catch((error: unknown) => error);
    expect(failed).toMatchObject({
      code: 1,
      stderr: expect.stringMatching(/^pilink needs Node 22\.19 or newer; this is 20\.19\.0 /),
    });
  });
});
