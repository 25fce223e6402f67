import { mkdir, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { beforeAll, describe, expect, test } from "vitest";
import { stopBroker } from "../../broker/managed.ts";
import { brokerCommand, ownRuntime } from "../../broker/runtime.ts";
import { useStage } from "../e2e/stage.ts";
import { rawMqtt } from "../support/raw-mqtt.ts";
import { exchange } from "./exchange.ts";
import { compilePi, type Found, findBun, makeSingleExecutable, piFolder } from "./other-runtimes.ts";
import { manifest, npmInstall, packTarball, runTool } from "./tools.ts";

describe("the installed package", { timeout: 60_000 }, () => {
  const stage = useStage();
  let place = "";
  let bun: Found = { missing: "not looked for" };

  const inHome = (name: string) => join(stage.home().path, name);

  beforeAll(async () => {
    const folder = inHome("installed");
    await mkdir(folder);
    await writeFile(join(folder, "package.json"), "{}");
    await npmInstall(folder, ["--omit=dev", "--legacy-peer-deps", await packTarball(stage.home().path)]);
    place = join(folder, "node_modules", manifest.name);
    bun = await findBun(inHome("bun"));
  }, 60_000);

  test("in a Pi compiled by Bun, where the runtime's program is Pi itself: that program runs the broker", async ({
    skip,
  }) => {
    const runtime = bun.path ?? skip(say(bun.missing));
    const program = await compilePi(runtime, inHome("compiled"));
    const broker = await exchange(stage, { program: [program], extensions: [place] });
    expect(broker.command).toContain(`${program} ${join(place, "broker", "main.ts")} {`);
  });

  test("in a Pi that Bun runs as a script", async ({ skip }) => {
    const runtime = bun.path ?? skip(say(bun.missing));
    const cli = join(piFolder(), "dist", "bundle", "cli.js");
    const broker = await exchange(stage, { program: [runtime, cli], extensions: [place] });
    expect(broker.command).toContain(`${runtime} ${join(place, "broker", "main.ts")} {`);
  });

  test("in a Node single executable, which is no Node for others: the Node of the PATH runs the broker", async ({
    skip,
  }) => {
    const found = await makeSingleExecutable(inHome("single"), starter);
    const program = found.path ?? skip(say(found.missing));
    const { home, url } = stage.broker();
    const output = await runTool(program, [join(place, "dist", "broker", "managed.js"), home, url], {
      cwd: stage.home().path,
    });
    expect(JSON.parse(output)).toMatchObject({ single: true, program, broker: { started: true, managed: true } });
    const [broker, ...others] = await stage.home().processes();
    expect(others).toEqual([]);
    expect(broker?.command).toMatch(/node (?:--\S+ )*\//);
    expect(broker?.command).toContain(` ${join(place, "dist", "bundle", "broker.js")} {`);
    await (await rawMqtt(url)).close();
    await stopBroker(stage.broker());
    expect(await stage.home().processes()).toEqual([]);
  });

  test("linked into node_modules, it runs from the sources that the link leads to", async () => {
    const [clone, modules] = [inHome("linked"), inHome("node_modules")];
    await mkdir(join(clone, "broker"), { recursive: true });
    await mkdir(modules);
    await writeFile(join(clone, "package.json"), JSON.stringify({ name: manifest.name, version: manifest.version }));
    await symlink(clone, join(modules, manifest.name));
    const file = join(modules, manifest.name, "broker", "runtime.ts");
    expect(brokerCommand({ ...ownRuntime(), file }).args.at(-1)).toBe(join(clone, "broker", "main.ts"));
  });
});

// What a single-executable Pi does with the package: it loads files from outside of itself.
const starter = `
const { createRequire } = require("node:module");
const [file, home, url] = process.argv.slice(2);
createRequire(file)(file).ensureBroker({ home, url }).then((broker) => {
  console.log(JSON.stringify({ single: require("node:sea").isSea(), program: process.execPath, broker }));
});
`;

/** Says on standard error why a test is skipped, and gives the reason on. */
function say(reason: string | undefined): string {
  process.stderr.write(`skipped: ${reason}\n`);
  return `${reason}`;
}
