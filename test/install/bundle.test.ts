import { spawn } from "node:child_process";
import { once } from "node:events";
import { cp, mkdir, readdir, readFile, rename, rm, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { beforeAll, describe, expect, test } from "vitest";
import { z } from "zod";
import { defaultIdleMs } from "../../broker/background.ts";
import { defaultPacketLimitBytes } from "../../broker/guard.ts";
import { stopBroker } from "../../broker/managed.ts";
import { type Stage, type, useStage } from "../e2e/stage.ts";
import { guardProcess } from "../support/cleanup.ts";
import type { PiProcess } from "../support/pi-process.ts";
import { rawMqtt } from "../support/raw-mqtt.ts";
import { manifest, npmInstall, packTarball } from "./tools.ts";

const recorder = new URL("loading-recorder.ts", import.meta.url).href;
const reloading = fileURLToPath(new URL("../e2e/reloading.ts", import.meta.url));
const recordSchema = z.object({ loaded: z.array(z.string()), buffers: z.int() });
// mqtt-packet's cache has 65,536 of them.
const fewBuffers = 10_000;

describe("an installed package", { timeout: 60_000 }, () => {
  const stage = useStage();
  let modules = "";

  beforeAll(async () => {
    const folder = join(stage.home().path, "installed");
    await mkdir(folder);
    await writeFile(join(folder, "package.json"), "{}");
    const tarball = await packTarball(stage.home().path);
    await npmInstall(folder, ["--omit=dev", "--omit=peer", "--legacy-peer-deps", tarball]);
    modules = join(folder, "node_modules");
  }, 60_000);

  /** What was installed, in a place of its own: `installed` is below a node_modules, a `clone` is not. */
  async function lay(name: string, kind: "installed" | "clone" = "installed"): Promise<string> {
    const home = join(stage.home().path, name);
    const place = kind === "installed" ? join(home, "node_modules", manifest.name) : join(home, manifest.name);
    await cp(join(modules, manifest.name), place, { recursive: true });
    for (const other of await readdir(modules)) {
      if (other === manifest.name) continue;
      await mkdir(join(home, "node_modules"), { recursive: true });
      await symlink(join(modules, other), join(home, "node_modules", other));
    }
    return place;
  }

  test("loads one file of its bundle into a Pi that does not use it, and nothing else but its entry", async () => {
    const place = await lay("unused");
    const { loaded } = await record(stage, place, async () => undefined);
    expect(loaded).toEqual(["extension/index.ts", `dist/bundle/${await bundleOf(place)}`]);
  });

  test("runs in Pi from its bundle alone, with all packages that it joins with, and without the cache of numbers", async () => {
    const place = await lay("used");
    const { loaded, buffers } = await record(stage, place, async (pi) => {
      await type(pi, "/pilink create lab --name dev", 'Created the network "lab"');
      await type(pi, "/pilink doctor", /Pi \d/);
    });
    expect(loaded.filter((path) => !path.startsWith("dist/bundle/"))).toEqual(["extension/index.ts"]);
    expect(loaded.filter((path) => /\/(session|packages)-/.test(path)).length).toBeGreaterThan(2);
    expect(buffers).toBeLessThan(fewBuffers);
    await stopBroker(stage.broker());
  });

  test("runs the managed broker without the cache of numbers", async () => {
    const place = await lay("broker");
    const state = join(stage.home().path, "broker-state");
    await mkdir(state, { mode: 0o700 });
    const argument = {
      ...{ home: state, host: "127.0.0.1", port: 0, local: true, version: manifest.version },
      ...{ idleMs: defaultIdleMs, packetLimitBytes: defaultPacketLimitBytes },
    };
    const file = join(state, "record.json");
    const broker = spawn(process.execPath, [join(place, "dist", "bundle", "broker.js"), JSON.stringify(argument)], {
      env: { ...process.env, ...recording(place, file) },
      stdio: ["ignore", "pipe", "inherit"],
    });
    const release = guardProcess(broker.pid ?? 0);
    const ended = once(broker, "exit");
    const [line] = await once(broker.stdout, "data");
    const { record } = z.object({ record: z.object({ url: z.string() }) }).parse(JSON.parse(String(line)));
    await (await rawMqtt(record.url)).close();
    broker.kill("SIGTERM");
    await ended;
    release();
    expect(recordSchema.parse(JSON.parse(await readFile(file, "utf8"))).buffers).toBeLessThan(fewBuffers);
  });

  test("runs from its sources where it has no bundle, and where it is a clone with one", async () => {
    const bare = await lay("bare");
    await rm(join(bare, "dist"), { recursive: true });
    for (const place of [bare, await lay("clone", "clone")]) {
      const { loaded } = await record(stage, place, (pi) => type(pi, "/pilink status", "no network"));
      expect(loaded).toEqual(expect.arrayContaining(["extension/pilink.ts", "extension/session.ts"]));
      expect(loaded.filter((path) => path.startsWith("dist/"))).toEqual([]);
    }
  });

  test("says what to do where its bundle cannot be loaded", async () => {
    const place = await lay("broken");
    const bundle = join(place, "dist", "bundle");
    const before = await bundleOf(place);
    await rm(join(bundle, before));
    const missing = stage.start("missing", { extensions: [place] });
    await expect(missing).rejects.toThrow(/pilink cannot be loaded from .*extension-.*Install pilink-mqtt again/);
    await writeFile(join(bundle, before), "export {};\n");
    const other = stage.start("other", { extensions: [place] });
    await expect(other).rejects.toThrow(/pilink cannot be loaded from .*extension-.*Install pilink-mqtt again/);
  });

  test("updated under a running Pi asks for /reload, which loads what is new", async () => {
    const place = await lay("updated");
    const bundle = join(place, "dist", "bundle");
    const { loaded } = await record(
      stage,
      place,
      async (pi) => {
        const before = await bundleOf(place);
        for (const file of await readdir(bundle)) {
          // What another version has instead has another name.
          if (/^(extension|session)-.*\.js$/.test(file)) await replaceName(bundle, file);
        }
        expect(await bundleOf(place)).not.toBe(before);
        await type(pi, "/pilink status", /Type \/reload/);
        await pi.prompt("/reload-now");
        await type(pi, "/pilink status", "no network");
      },
      [reloading],
    );
    expect(loaded).toContain(`dist/bundle/${await bundleOf(place)}`);
  });
});

/** The file that the extension is loaded from. */
async function bundleOf(place: string): Promise<string> {
  const list = await readFile(join(place, "dist", "bundle", "extension.json"), "utf8");
  return z.object({ file: z.string() }).parse(JSON.parse(list)).file;
}

/** Gives a file another name, in all files that name it. */
async function replaceName(folder: string, name: string): Promise<void> {
  const other = name.replace(/-(.+)\.js$/, (_all, hash: string) => `-${[...hash].reverse().join("")}.js`);
  await rename(join(folder, name), join(folder, other));
  for (const file of await readdir(folder)) {
    const text = await readFile(join(folder, file), "utf8");
    if (text.includes(name)) await writeFile(join(folder, file), text.replaceAll(name, other));
  }
}

function recording(place: string, file: string): Record<string, string> {
  return { NODE_OPTIONS: `--import ${recorder}`, RECORDED_PLACE: `${place}/`, RECORDED_FILE: file };
}

/** What a Pi has loaded of a package until it ends, after `act`. */
async function record(
  stage: Stage,
  place: string,
  act: (pi: PiProcess) => Promise<unknown>,
  others: string[] = [],
): Promise<z.infer<typeof recordSchema>> {
  const file = join(place, "record.json");
  const pi = await stage.start("recorded", { extensions: [place, ...others], env: recording(place, file) });
  await act(pi);
  await pi.stop(10_000);
  return recordSchema.parse(JSON.parse(await readFile(file, "utf8")));
}
