import { existsSync } from "node:fs";
import { lstat, readdir } from "node:fs/promises";
import { join as joinPath } from "node:path";
import { describe, expect, test } from "vitest";
import { mosquittoInstalled, startMosquitto } from "../support/brokers.ts";
import { freePort } from "../support/network.ts";
import { stateFolderOf } from "../support/pi-home.ts";
import { runPiOnce } from "../support/pi-print.ts";
import { rawMqtt } from "../support/raw-mqtt.ts";
import { brokerPid, create, exchange, injected, join, send, type, useStage } from "./stage.ts";

describe("an agent that goes from one network to another", () => {
  const stage = useStage();

  test("stays where it is when the other one cannot be entered [ERR-1]", async () => {
    const { dev, prod } = await stage.pair("first");
    expect((await type(prod, "/pilink join nowhere", '"nowhere"')).type).toBe("error");
    expect((await type(prod, "/pilink status", 'Network "first"')).type).toBe("info");
    dev.answerDialog(() => true);
    expect((await type(dev, "/pilink join nowhere", '"nowhere"')).type).toBe("error");
    await exchange(dev, prod);
    await type(prod, "/pilink create second --name prod", 'Created the network "second"');
    await dev.nextNotification('"prod" left the network "first"');
  });
});

describe("a Pi that does not use pilink", () => {
  const stage = useStage();

  test("is told nothing, and nothing is opened or written for it", async () => {
    const pi = await stage.start("quiet");
    await stage.ask(pi, "hello");
    await pi.newSession();
    await stage.ask(pi, "hello again");
    expect(pi.notifications).toEqual([]);
    expect(pi.statuses).toEqual([]);
    expect(existsSync(stage.broker().home)).toBe(false);
    expect((await stage.home().processes()).map(({ pid }) => pid)).toEqual([pi.pid]);
    expect((await pi.stop()).tookMs).toBeLessThan(1_000);
  });

  test("ends `pi -p` as if the extension were not there", async () => {
    const options = { home: stage.home().path, name: "print", model: stage.model(), modelId: "print" };
    const run = await runPiOnce(options, ["hello"], 15_000);
    expect(run).toMatchObject({ code: 0, stdout: "ok\n", stderr: "" });
    expect(existsSync(stage.broker().home)).toBe(false);
    expect(await stage.home().processes()).toEqual([]);
  });
});

describe("a Pi in print mode", () => {
  const stage = useStage();

  test("joins, sends, leaves and ends", async () => {
    const dev = await stage.start("dev");
    await create(dev, "lab");
    const since = dev.mark();
    const run = await runPiOnce(
      { home: stage.home().path, name: "ci", model: stage.model(), modelId: "ci", env: { PILINK_URL: stage.url() } },
      ["/pilink join lab --name ci", "/pilink send dev the build is green"],
      15_000,
    );
    expect(run).toMatchObject({ code: 0, stderr: "" });
    await injected(dev, "the build is green", since);
    await dev.nextNotification('"ci" left the network "lab"');
  });
});

describe("an orderly end", () => {
  const stage = useStage();

  test("of a member is told to the others within a second, and leaves nothing on the broker [PRES-12] [END-11]", async () => {
    const { dev, prod } = await stage.pair("lab");
    const since = dev.mark();
    const startedMs = performance.now();
    const told = dev.nextNotification('"prod" left the network "lab"', { since });
    const { code, tookMs } = await prod.stop();
    expect(code).toBe(0);
    expect(tookMs).toBeLessThan(1_000);
    const { atMs, type: kind } = await told;
    expect(atMs - startedMs).toBeLessThan(1_000);
    expect(kind).toBe("info");
    await dev.waitForStatus("pilink", (text) => text?.endsWith("1 agent") ?? false);
    const watcher = await rawMqtt(stage.url());
    await watcher.subscribe("pilink/lab/+/presence");
    await watcher.waitFor("pilink/lab/dev/presence");
    expect(watcher.messages("pilink/lab/prod/presence")).toEqual([]);
  });

  test("of the host ends the network at once, also by SIGTERM [END-5] [END-8]", async () => {
    for (const [network, end] of [
      ["lab", "stop"],
      ["den", "kill"],
    ] as const) {
      const { dev, prod } = await stage.pair(network);
      const since = prod.mark();
      const { tookMs } = await (end === "stop" ? dev.stop() : dev.kill("SIGTERM"));
      expect(tookMs).toBeLessThan(1_000);
      const { message } = await prod.nextNotification("This network is no longer available.", { since });
      expect(message).toContain(`"${network}"`);
      // It was an end from the first moment on, not a loss.
      const said = prod.records.slice(since).map((record) => String(record.message));
      expect(said.filter((text) => text.includes("offline"))).toEqual([]);
      await prod.stop();
    }
  });

  test("of a host that leaves needs its user's yes", async () => {
    const { dev, prod } = await stage.pair("lab");
    dev.answerDialog(() => false);
    await type(dev, "/pilink leave", 'Still in the network "lab"');
    await send(dev, "prod", "I stay");
    dev.answerDialog(() => null);
    await type(dev, "/pilink create other", 'Still in the network "lab"');
    dev.answerDialog(() => true);
    await type(dev, "/pilink leave", 'left the network "lab"');
    expect(dev.dialogs).toHaveLength(3);
    for (const { title, options } of dev.dialogs) {
      expect(title).toMatch(/^Leave the network "lab"\?\n.*Leaving ends it for prod/);
      expect(options).toEqual(["No, stay in it", "Yes, leave, and end it for them"]);
    }
    await prod.nextNotification("This network is no longer available.");

    await create(dev, "lab");
    await join(prod, "lab");
    await type(dev, "/pilink leave --yes", 'left the network "lab"');
    expect(dev.dialogs).toHaveLength(3);
    // Alone, or as a member, there is nobody to be asked for.
    await create(prod, "alone");
    await join(dev, "alone");
    await type(dev, "/pilink disconnect", 'left the network "alone"');
    await type(prod, "/pilink leave", 'left the network "alone"');
    expect([dev.dialogs.length, prod.dialogs.length]).toEqual([3, 0]);
  });
});

describe("the state on disk", () => {
  const stage = useStage();

  test("can be read by its owner only", async () => {
    const { dev, prod } = await stage.pair("lab");
    await send(dev, "prod", "a secret");
    await send(prod, "dev", "another");
    const home = stateFolderOf(stage.home().path);
    const entries = await readdir(home, { recursive: true, withFileTypes: true });
    const modes = new Map<string, string>();
    for (const entry of entries) {
      const path = joinPath(entry.parentPath, entry.name);
      const { mode } = await lstat(path);
      modes.set(path.slice(home.length), `${entry.isDirectory() ? "folder" : "file"} ${(mode & 0o777).toString(8)}`);
    }
    expect([...modes.keys()].some((path) => path.endsWith("inbox.jsonl"))).toBe(true);
    // What Node itself puts into its cache of compiled code is guarded by the folder that it is in.
    for (const path of modes.keys()) if (path.startsWith("/broker/compiled/")) modes.delete(path);
    expect([...modes].filter(([, mode]) => mode !== "folder 700" && mode !== "file 600")).toEqual([]);
    expect((await lstat(home)).mode & 0o777).toBe(0o700);
  });
});

describe("/pilink server", () => {
  const stage = useStage();

  test("starts, describes and stops the managed broker, which a stop keeps stopped", async () => {
    const { dev, prod } = { dev: await stage.start("dev"), prod: await stage.start("prod") };
    expect((await type(dev, "/pilink server status", "No managed broker")).message).toContain("/pilink server start");
    const port = new URL(stage.url()).port;
    expect((await type(dev, "/pilink server start", "Started")).message).toContain(`mqtt://127.0.0.1:${port}`);
    await type(prod, "/pilink server start", "already runs");
    const pid = await brokerPid(stage);
    await create(dev, "lab");
    await join(prod, "lab");
    const { message } = await type(dev, "/pilink server status", "managed broker runs");
    expect(message).toMatch(new RegExp(`port ${port}, pid ${pid}, version .* 2 clients`));
    // It outlives the Pi that started it.
    await dev.kill();
    expect(await brokerPid(stage)).toBe(pid);

    const since = prod.mark();
    await create(prod, "den");
    await type(prod, "/pilink server stop", `Stopped the managed broker at mqtt://127.0.0.1:${port}`);
    await prod.nextNotification("This network is no longer available.", { since });
    expect((await stage.home().processes()).map(({ pid: left }) => left)).toEqual([prod.pid]);
    await type(prod, "/pilink server stop", "No managed broker");
    await create(prod, "again");
    expect(await brokerPid(stage)).not.toBe(pid);
  });

  const installed = mosquittoInstalled();
  const title = `leaves a stranger's broker alone${installed ? "" : " (skipped: Mosquitto is not installed)"}`;
  if (!installed) process.stderr.write(`${title}\n`);
  test.skipIf(!installed && process.env.PILINK_REQUIRE_BROKERS !== "1")(title, async () => {
    const broker = await startMosquitto({ port: await freePort() });
    const pi = await stage.start("guest", { env: { PILINK_URL: broker.url } });
    await create(pi, "lab");
    expect((await type(pi, "/pilink status", "Broker")).message).toContain("(external)");
    expect((await type(pi, "/pilink server start", broker.url)).message).toContain("external broker already listens");
    await type(pi, "/pilink server stop", "No managed broker");
    expect(broker.pid()).toBeDefined();
    await type(pi, "/pilink leave", "left");
  });
});
