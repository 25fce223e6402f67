import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { createServer as createHttpServer } from "node:http";
import { createServer } from "node:net";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import mqtt from "mqtt";
import { afterEach, describe, expect, it } from "vitest";
import { z } from "zod";
import { startEmbeddedBroker } from "../../broker/embedded.ts";
import {
  brokerStatus,
  type EnsuredBroker,
  type EnsureOptions,
  ensureBroker,
  listBrokers,
  startBroker,
  stopBroker,
} from "../../broker/managed.ts";
import { probeBroker } from "../../broker/probe.ts";
import { readRecord } from "../../broker/record.ts";
import { recordPath } from "../../broker/record-file.ts";
import { startBackground } from "../../broker/start.ts";
import { identityOf, ownIdentity } from "../../store/process.ts";
import { guardProcess, onCleanup, stopEverything } from "../support/cleanup.ts";
import { eventually } from "../support/eventually.ts";
import { isAlive } from "../support/live-processes.ts";
import { temporaryHome } from "../support/temporary-home.ts";
import { freePort, listen } from "./ports.ts";

afterEach(stopEverything);

interface Scene {
  home: string;
  defaultPort: number;
  ensure: (options?: Partial<EnsureOptions>) => Promise<EnsuredBroker>;
  brokers: () => Promise<number>;
}

async function makeScene(): Promise<Scene> {
  const folder = await temporaryHome();
  const home = join(folder.path, "state");
  const defaultPort = await freePort();
  return {
    home,
    defaultPort,
    ensure: (options = {}) => ensureBroker({ home, defaultPort, ...options }),
    brokers: async () => (await folder.processes()).filter(({ command }) => command.includes("main.ts")).length,
  };
}

async function startStranger(): Promise<{ url: string; port: number }> {
  const stranger = await startEmbeddedBroker();
  onCleanup(() => stranger.close());
  return stranger;
}

function pidOf(broker: EnsuredBroker): number {
  if (broker.pid === undefined) throw new Error("no process id");
  return broker.pid;
}

async function connectClient(url: string): Promise<mqtt.MqttClient> {
  const client = await mqtt.connectAsync(url, { reconnectPeriod: 0 });
  onCleanup(() => client.endAsync(true));
  return client;
}

function closeOf(client: mqtt.MqttClient): Promise<void> {
  return new Promise((resolve) => client.once("close", () => resolve()));
}

const ensuredSchema = z.object({ url: z.string(), port: z.int(), pid: z.int(), started: z.boolean() });

/** `ensureBroker` in a process of its own. */
function startFace(scene: Scene, ...more: string[]): { pid: number; result: Promise<z.infer<typeof ensuredSchema>> } {
  const file = fileURLToPath(new URL("./starter.ts", import.meta.url));
  const child = spawn(process.execPath, [file, scene.home, String(scene.defaultPort), ...more], {
    stdio: ["ignore", "pipe", "inherit"],
    env: { ...process.env, PILINK_PASSWORD: "hunter2", SOME_API_KEY: "hunter2" },
  });
  if (child.pid === undefined) throw new Error("no process");
  const ended = once(child, "exit").then(guardProcess(child.pid));
  onCleanup(async () => {
    child.kill("SIGKILL");
    await ended;
  });
  const line = once(createInterface(child.stdout), "line");
  return { pid: child.pid, result: line.then(([text]) => ensuredSchema.parse(JSON.parse(String(text)))) };
}

describe("the local broker", () => {
  it("is started where nothing listens, told about, found again, and stopped", async () => {
    const scene = await makeScene();
    const started = await scene.ensure();
    expect(started).toMatchObject({
      url: `mqtt://127.0.0.1:${scene.defaultPort}`,
      host: "127.0.0.1",
      port: scene.defaultPort,
      managed: true,
      started: true,
    });
    expect(started.note).toBeUndefined();
    expect(await scene.ensure()).toEqual({ ...started, started: false });

    await connectClient(started.url);
    const status = await brokerStatus({ home: scene.home });
    expect(status).toMatchObject({ running: true, pid: started.pid, port: started.port, local: true });
    expect(status.running && status.report?.clients).toBe(1);
    expect(status.running && status.report?.memoryBytes).toBeGreaterThan(1_000_000);

    const outcome = await stopBroker({ home: scene.home });
    expect(outcome).toMatchObject({ stopped: true, pid: started.pid, how: "ended" });
    expect(await isAlive(pidOf(started))).toBe(false);
    expect(await brokerStatus({ home: scene.home })).toEqual({ running: false });
    expect(await stopBroker({ home: scene.home })).toEqual({ stopped: false });
  });

  it("lives in a session of its own, without the secrets and the folder of who started it, and outlives it", async () => {
    const scene = await makeScene();
    const face = startFace(scene, "stay");
    const broker = await face.result;
    process.kill(face.pid, "SIGKILL");
    await eventually(async () => !(await isAlive(face.pid)));
    expect((await probeBroker({ host: "127.0.0.1", port: broker.port })).kind).toBe("mqtt");
    if (process.platform !== "linux") return;
    const fields = readFileSync(`/proc/${broker.pid}/stat`, "latin1")
      .replace(/^.*\) /s, "")
      .split(" ");
    expect({ group: fields[2], session: fields[3] }).toEqual({
      group: String(broker.pid),
      session: String(broker.pid),
    });
    expect(readFileSync(`/proc/${broker.pid}/environ`, "latin1")).not.toContain("hunter2");
  });

  it("keeps what it writes to its owner", async () => {
    const scene = await makeScene();
    mkdirSync(scene.home, { mode: 0o755 });
    const broker = await scene.ensure();
    const folder = join(scene.home, "broker");
    for (const path of [scene.home, folder, join(folder, "lock")]) expect(statSync(path).mode & 0o777).toBe(0o700);
    const files = [`${broker.port}.json`, "broker.log", "lock/lock.1"];
    for (const file of files) expect(statSync(join(folder, file)).mode & 0o777).toBe(0o600);
    await stopBroker({ home: scene.home });
    expect(statSync(join(folder, `${broker.port}.stopped`)).mode & 0o777).toBe(0o600);
    expect(readdirSync(folder)).not.toContain(`${broker.port}.json`);
  });

  it("ends by itself when it has been without a client for long enough", async () => {
    const scene = await makeScene();
    const broker = await scene.ensure({ idleMs: 200 });
    await eventually(async () => !(await isAlive(pidOf(broker))));
    expect(await readRecord(scene.home, broker)).toBeUndefined();
  });

  it.each(["SIGTERM", "SIGINT"] as const)("ends in good order at %s", async (signal) => {
    const scene = await makeScene();
    const broker = await scene.ensure();
    const client = await connectClient(broker.url);
    const closed = closeOf(client);
    process.kill(pidOf(broker), signal);
    await closed;
    await eventually(async () => !(await isAlive(pidOf(broker))));
    expect(await readRecord(scene.home, broker)).toBeUndefined();
  });

  it("is one, when six processes look for it at the same time", async () => {
    const scene = await makeScene();
    const results = await Promise.all(Array.from({ length: 6 }, () => startFace(scene).result));
    expect(new Set(results.map(({ pid }) => pid)).size).toBe(1);
    expect(results.filter(({ started }) => started)).toHaveLength(1);
    expect(await scene.brokers()).toBe(1);
  });

  it("comes back on its port after SIGKILL, once, whoever notices first", async () => {
    const scene = await makeScene();
    await startStranger();
    const first = await scene.ensure();
    process.kill(pidOf(first), "SIGKILL");
    await eventually(async () => !(await isAlive(pidOf(first))));
    const results = await Promise.all(
      Array.from({ length: 4 }, () => scene.ensure({ purpose: "reconnect", defaultPort: 1 })),
    );
    expect(results.map(({ port }) => port)).toEqual(results.map(() => first.port));
    expect(results.filter(({ started }) => started)).toHaveLength(1);
    expect(await scene.brokers()).toBe(1);
  });

  it.each([false, true])(
    "comes back on its port when that closes later than its process ends (by URL: %s)",
    async (byUrl) => {
      const scene = await makeScene();
      const first = await scene.ensure();
      process.kill(pidOf(first), "SIGKILL");
      await eventually(async () => (await probeBroker(first)).kind === "refused");
      const remains = createServer();
      remains.on("connection", (socket) => {
        socket.destroy();
        remains.close();
      });
      await new Promise<void>((resolve) => remains.listen(first.port, "127.0.0.1", resolve));
      onCleanup(() => new Promise((resolve) => remains.close(() => resolve())));
      const target = byUrl ? { url: first.url } : { defaultPort: await freePort() };
      const next = await scene.ensure({ purpose: "reconnect", ...target });
      expect(next).toMatchObject({ port: first.port, started: true });
    },
  );

  it("is replaced when it is frozen, not at once but after the time of silence", async () => {
    const scene = await makeScene();
    const frozen = await scene.ensure();
    process.kill(pidOf(frozen), "SIGSTOP");
    const askedAt = performance.now();
    const lines: string[] = [];
    const next = await scene.ensure({ silenceMs: 600, log: (line) => lines.push(line) });
    expect(performance.now() - askedAt).toBeGreaterThan(600);
    expect(next).toMatchObject({ port: frozen.port, started: true });
    expect(await isAlive(pidOf(frozen))).toBe(false);
    expect(lines.join()).toContain("does not answer");
  });

  it("is used when it only answers late", async () => {
    const scene = await makeScene();
    const slow = await scene.ensure();
    process.kill(pidOf(slow), "SIGSTOP");
    const asked = scene.ensure();
    setTimeout(() => process.kill(pidOf(slow), "SIGCONT"), 1_500);
    expect(await asked).toMatchObject({ pid: slow.pid, started: false });
  });

  it("stays stopped for peers that reconnect, until a person starts it (hazard 14)", async () => {
    const scene = await makeScene();
    const first = await scene.ensure();
    await stopBroker({ home: scene.home });
    await expect(scene.ensure({ purpose: "reconnect" })).rejects.toMatchObject({ code: "broker-stopped" });
    await expect(scene.ensure({ purpose: "reconnect", url: first.url })).rejects.toMatchObject({
      code: "broker-stopped",
    });
    expect(await scene.brokers()).toBe(0);
    const again = await startBroker({ home: scene.home, defaultPort: await freePort() });
    expect(again).toMatchObject({ port: first.port, started: true });
    process.kill(pidOf(again), "SIGKILL");
    await eventually(async () => !(await isAlive(pidOf(again))));
    expect(await scene.ensure({ purpose: "reconnect" })).toMatchObject({ port: first.port, started: true });
  });

  it("is not started for a join where none of ours has been, by its URL or as the home's own", async () => {
    const scene = await makeScene();
    const url = `mqtt://127.0.0.1:${await freePort()}`;
    await expect(scene.ensure({ purpose: "join", url })).rejects.toMatchObject({
      code: "broker-unreachable",
      message: expect.stringMatching(
        /^Nothing listens at mqtt:\/\/127\.0\.0\.1:\d+: no broker runs there\. Check the port;/,
      ),
    });
    await expect(scene.ensure({ purpose: "join" })).rejects.toMatchObject({
      code: "broker-unreachable",
      message: expect.stringContaining("No managed broker runs here"),
    });
    const stranger = await startStranger();
    await expect(scene.ensure({ purpose: "join", defaultPort: stranger.port })).rejects.toMatchObject({
      message: expect.stringContaining(`mqtt://127.0.0.1:${stranger.port}`),
    });
    expect(await scene.ensure({ purpose: "join", url: stranger.url })).toMatchObject({
      managed: false,
      started: false,
    });
    expect(await scene.brokers()).toBe(0);
    expect(await scene.ensure({ url })).toMatchObject({ url, started: true });
    expect(await scene.ensure({ purpose: "join", url })).toMatchObject({ url, started: false });
    expect(await scene.ensure({ purpose: "join" })).toMatchObject({ url, started: false });
  });

  it.each([false, true])(
    "is started again for a join when it died, not when it was stopped (by its URL: %s)",
    async (byUrl) => {
      const scene = await makeScene();
      const first = await scene.ensure();
      const choice = { purpose: "join" as const, ...(byUrl ? { url: first.url } : {}) };
      process.kill(pidOf(first), "SIGKILL");
      await eventually(async () => !(await isAlive(pidOf(first))));
      expect(await scene.ensure(choice)).toMatchObject({ port: first.port, started: true });
      await stopBroker({ home: scene.home });
      await expect(scene.ensure(choice)).rejects.toMatchObject({ code: "broker-stopped" });
      expect(await scene.brokers()).toBe(0);
    },
  );

  it("is listed with those that run at other addresses, the home's own first", async () => {
    const scene = await makeScene();
    expect(await listBrokers(scene.home)).toEqual([]);
    const own = await scene.ensure();
    const other = await scene.ensure({ url: `mqtt://127.0.0.1:${await freePort()}` });
    const dead = await scene.ensure({ url: `mqtt://127.0.0.1:${await freePort()}` });
    process.kill(pidOf(dead), "SIGKILL");
    await eventually(async () => !(await isAlive(pidOf(dead))));
    const listed = await listBrokers(scene.home);
    expect(listed.map(({ pid, local }) => [pid, local])).toEqual([
      [own.pid, true],
      [other.pid, false],
    ]);
    expect(listed[1]).toMatchObject({ url: other.url, report: { clients: 0 } });
  });

  it("stays stopped also where it was dead already when it was stopped", async () => {
    const scene = await makeScene();
    const first = await scene.ensure();
    process.kill(pidOf(first), "SIGKILL");
    await eventually(async () => !(await isAlive(pidOf(first))));
    expect(await stopBroker({ home: scene.home })).toEqual({ stopped: false });
    await expect(scene.ensure({ purpose: "reconnect" })).rejects.toMatchObject({ code: "broker-stopped" });
  });

  it("of another version is replaced when it has no clients, and kept with a note when it has", async () => {
    const scene = await makeScene();
    const old = await scene.ensure({ version: "0.0.1" });
    const client = await connectClient(old.url);
    await eventually(async () => {
      const status = await brokerStatus({ home: scene.home });
      return status.running && status.report?.clients === 1;
    });
    const kept = await scene.ensure();
    expect(kept).toMatchObject({ pid: old.pid, started: false });
    expect(kept.note).toContain("0.0.1");
    await client.endAsync();
    const replaced = await eventually(async () => {
      const found = await scene.ensure();
      return found.started && found;
    });
    expect(replaced).toMatchObject({ port: old.port, started: true });
    expect(await isAlive(pidOf(old))).toBe(false);
    expect(await scene.brokers()).toBe(1);
  });

  it("survives garbage and faults of its clients", async () => {
    const scene = await makeScene();
    const broker = await scene.ensure();
    const client = await connectClient(broker.url);
    const closed = closeOf(client);
    await client.publishAsync("$SYS/x", "x", { qos: 1 });
    client.stream.write(Buffer.from([0xf0, 0]));
    await closed;
    expect(await scene.ensure()).toMatchObject({ pid: broker.pid, started: false });
  });
});

describe("a record that is not true", () => {
  it.each([
    ["of a process id that another process has now", { ...ownIdentity(), start: "1" }],
    ["of an earlier boot", { ...ownIdentity(), boot: "an earlier one" }],
    ["of a process that never was", { ...identityOf(process.pid), pid: 2 ** 22 + 1 }],
  ])("%s is no broker, and nothing is killed for it", async (_what, identity) => {
    const scene = await makeScene();
    const real = await scene.ensure();
    const record = await readRecord(scene.home, real);
    await stopBroker({ home: scene.home });
    writeFileSync(recordPath(scene.home, real), JSON.stringify({ ...record, process: identity }));
    expect(await brokerStatus({ home: scene.home })).toEqual({ running: false });
    expect(await scene.ensure()).toMatchObject({ port: real.port, started: true });
  });

  it("of a living process without a known start, which is not the broker: nothing is killed for it", async () => {
    const scene = await makeScene();
    const real = await scene.ensure();
    const record = await readRecord(scene.home, real);
    await stopBroker({ home: scene.home });
    const identity = { ...ownIdentity(), start: null };
    writeFileSync(recordPath(scene.home, real), JSON.stringify({ ...record, process: identity }));
    expect(await scene.ensure({ silenceMs: 200 })).toMatchObject({ port: real.port, started: true });
  });

  it("that is damaged tells nothing", async () => {
    const scene = await makeScene();
    mkdirSync(join(scene.home, "broker"), { recursive: true });
    for (const text of ["", "{", "[]", '{"process":{"pid":-1}}']) {
      writeFileSync(join(scene.home, "broker", `${scene.defaultPort}.json`), text);
      expect(await brokerStatus({ home: scene.home })).toEqual({ running: false });
    }
    expect(await scene.ensure()).toMatchObject({ port: scene.defaultPort, started: true });
  });
});

describe("a stranger on the default port", () => {
  it("that is a broker is left alone: ours runs on a free port, and the note names both", async () => {
    const scene = await makeScene();
    const stranger = await startStranger();
    const ours = await scene.ensure({ defaultPort: stranger.port });
    expect(ours).toMatchObject({ managed: true, started: true });
    expect(ours.port).not.toBe(stranger.port);
    expect(ours.note).toContain(`--url mqtt://127.0.0.1:${stranger.port}`);
    expect(ours.note).toContain(String(ours.port));
    expect(await scene.ensure({ defaultPort: stranger.port })).toMatchObject({ pid: ours.pid, started: false });
  });

  it("that is no broker at all is said to be none", async () => {
    const scene = await makeScene();
    const { port } = await listen(createHttpServer());
    const ours = await scene.ensure({ defaultPort: port });
    expect(ours.port).not.toBe(port);
    expect(ours.note).toMatch(/no MQTT broker/);
    expect(ours.note).not.toContain("--url");
  });
});

describe("a URL", () => {
  it("on loopback where nothing listens starts ours on that port", async () => {
    const scene = await makeScene();
    const url = `mqtt://localhost:${scene.defaultPort}`;
    const broker = await scene.ensure({ url });
    expect(broker).toMatchObject({ url, port: scene.defaultPort, managed: true, started: true });
    expect(await scene.ensure({ url: `127.0.0.1:${scene.defaultPort}` })).toMatchObject({
      pid: broker.pid,
      started: false,
    });
    expect(await stopBroker({ home: scene.home, url })).toMatchObject({ stopped: true, pid: broker.pid });
    await expect(scene.ensure({ url, purpose: "reconnect" })).rejects.toMatchObject({ code: "broker-stopped" });
  });

  it("of IPv6 loopback does the same", async () => {
    const scene = await makeScene();
    const url = `mqtt://[::1]:${await freePort("::1")}`;
    expect(await scene.ensure({ url })).toMatchObject({ url, host: "::1", managed: true, started: true });
    expect(await brokerStatus({ home: scene.home, url })).toMatchObject({ running: true });
  });

  it("where a stranger's broker answers is used as it is, and nothing is written", async () => {
    const scene = await makeScene();
    const stranger = await startStranger();
    expect(await scene.ensure({ url: stranger.url })).toEqual({
      url: stranger.url,
      host: "127.0.0.1",
      port: stranger.port,
      managed: false,
      started: false,
    });
    expect(() => statSync(scene.home)).toThrow("ENOENT");
  });

  it.each([
    "mqtt://192.0.2.1",
    "mqtt://broker.example:1884",
    "mqtts://localhost",
    "ws://127.0.0.1:9001/mqtt",
    "wss://[::1]/mqtt",
  ])("%s never starts one", async (url) => {
    const scene = await makeScene();
    expect(await scene.ensure({ url })).toMatchObject({ url, managed: false, started: false });
    expect(() => statSync(scene.home)).toThrow("ENOENT");
  });

  it("shows its credentials to nobody", async () => {
    const scene = await makeScene();
    const url = `mqtt://me:hunter2@127.0.0.1:${scene.defaultPort}`;
    const shown = `mqtt://127.0.0.1:${scene.defaultPort}`;
    expect(await scene.ensure({ url })).toMatchObject({ url: shown, started: true });
    const silent = await listen(createServer((socket) => socket.on("error", () => {})));
    const refused = scene.ensure({ url: `mqtt://me:hunter2@127.0.0.1:${silent.port}`, silenceMs: 100 });
    await expect(refused).rejects.toMatchObject({ message: expect.not.stringContaining("hunter2") });
  });

  it.each(["", "mqtt://", "gopher://x", "mqtt://h:99999", "mqtt://h:0", "http://me:hunter2@h"])(
    "%j is refused with a way out, without its password",
    async (url) => {
      const scene = await makeScene();
      const error = await scene.ensure({ url }).catch((thrown: unknown) => thrown);
      expect(error).toMatchObject({
        code: "bad-argument",
        message: expect.stringContaining("mqtt://192.168.1.20:1883"),
      });
      expect(error).toMatchObject({ message: expect.not.stringContaining("hunter2") });
    },
  );

  it.each([
    ["an HTTP server", () => createHttpServer(), /not as an MQTT broker/],
    ["one that is silent", () => createServer((socket) => socket.on("error", () => {})), /stays silent/],
    ["one that closes", () => createServer((socket) => socket.on("error", () => {}).end()), /closes every connection/],
  ])("of a port taken by %s names the address and the way out", async (_who, make, reason) => {
    const scene = await makeScene();
    const { port } = await listen(make());
    const error = await scene.ensure({ url: `mqtt://127.0.0.1:${port}`, silenceMs: 300 }).catch((thrown) => thrown);
    expect(error).toMatchObject({ code: "broker-not-mqtt" });
    expect(error.message).toMatch(reason);
    expect(error.message).toContain(`mqtt://127.0.0.1:${port}`);
    expect(error.message).toContain("--url");
    expect(await scene.brokers()).toBe(0);
  });
});

describe("a start that fails", () => {
  it("names the state folder that cannot be used", async () => {
    const scene = await makeScene();
    writeFileSync(scene.home, "a file");
    await expect(scene.ensure()).rejects.toMatchObject({
      code: "state-unusable",
      message: expect.stringContaining("PILINK_HOME"),
    });
  });

  it("tells why it could not listen, and leaves nothing running", async () => {
    const scene = await makeScene();
    const argument = { home: scene.home, local: true, version: "1", idleMs: 10_000, packetLimitBytes: 4_096 };
    const failed = startBackground({ ...argument, host: "192.0.2.1", port: 4_000 });
    await expect(failed).rejects.toMatchObject({
      code: "broker-not-started",
      message: expect.stringMatching(/mqtt:\/\/192\.0\.2\.1:4000.*EADDRNOTAVAIL.*--url/s),
    });
    const stranger = await startStranger();
    expect(await startBackground({ ...argument, host: "127.0.0.1", port: stranger.port })).toEqual({
      kind: "address-in-use",
    });
    await eventually(async () => (await scene.brokers()) === 0);
  });

  it("gives up on one that is not ready in time", async () => {
    const scene = await makeScene();
    const argument = { home: scene.home, local: true, version: "1", idleMs: 10_000, packetLimitBytes: 4_096 };
    await expect(startBackground({ ...argument, host: "127.0.0.1", port: 0, readyTimeoutMs: 1 })).rejects.toMatchObject(
      { code: "broker-not-started", message: expect.stringContaining("not ready in time") },
    );
    await eventually(async () => (await scene.brokers()) === 0);
  });
});
