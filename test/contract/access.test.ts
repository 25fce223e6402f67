import { execFile } from "node:child_process";
import { mkdir, writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { TestBroker } from "../support/broker-process.ts";
import { describeOnBrokers } from "../support/broker-suites.ts";
import { mosquittoInstalled, startMosquitto } from "../support/brokers.ts";
import { stopEverything } from "../support/cleanup.ts";
import { eventually } from "../support/eventually.ts";
import { freePort, listen } from "../support/network.ts";
import { rawMqtt } from "../support/raw-mqtt.ts";
import { temporaryHome } from "../support/temporary-home.ts";
import { blocksOf, sectionNamed } from "../topics/document.ts";
import { startFilterProxy } from "./filter-proxy.ts";
import { failureOf, prepareStage } from "./stage.ts";

const password = "sesame-7301";

/** Starts a Mosquitto that knows these accounts, all with one password, and gives them these rights. */
async function startGuarded(accounts: string[], rules: string): Promise<TestBroker> {
  const folder = join((await temporaryHome()).path, "accounts");
  await mkdir(folder);
  const [passwords, rights] = [join(folder, "passwords"), join(folder, "rights")];
  await writeFile(passwords, accounts.map((account) => `${account}:${password}\n`).join(""), { mode: 0o600 });
  await promisify(execFile)("mosquitto_passwd", ["-U", passwords]);
  await writeFile(rights, `${rules}\n`, { mode: 0o600 });
  const config = ["allow_anonymous false", `password_file ${passwords}`, `acl_file ${rights}`].join("\n");
  return startMosquitto({ config });
}

const installed = mosquittoInstalled();
const suffix = installed ? "" : " (skipped: Mosquitto is not installed)";
if (!installed) process.stderr.write(`access rules of Mosquitto${suffix}\n`);

describe.skipIf(!installed)(`hazard 9: the access rules of topics.md on Mosquitto${suffix}`, () => {
  let broker: TestBroker | undefined;
  let forbidding: TestBroker | undefined;
  const urlOf = () => broker?.url ?? "";
  const channels = ["inbox", "receipts", "control", "presence"] as const;
  beforeAll(async () => {
    const rules = blocksOf(sectionNamed("Access rules"))[0]?.text ?? "";
    expect(rules.split("\n").length).toBeGreaterThan(8);
    broker = await startGuarded(["dev", "prod", "third", "ci"], rules);

    const denials = ["user dev", "topic readwrite pilink/#"];
    for (const channel of channels) {
      denials.push(`user no-${channel}`, "topic readwrite pilink/#", `topic deny pilink/+/no-${channel}/${channel}`);
    }
    forbidding = await startGuarded(["dev", ...channels.map((channel) => `no-${channel}`)], denials.join("\n"));
  });
  afterAll(stopEverything);

  it.concurrent("are enough to create, join, send, answer and leave [ACL-1] [LIFE-15] [LIFE-16]", async ({
    onTestFinished,
  }) => {
    const stage = await prepareStage(urlOf(), onTestFinished);
    const as = (username: string) => ({ username, password });
    const dev = await stage.create("dev", as("dev"));
    const prod = await stage.join("prod", as("prod"));
    const third = await stage.join("third", as("third"));
    await eventually(() => dev.peer.roster().length === 3);
    expect((await dev.peer.send({ to: "all", body: "hello" })).map(({ state }) => state)).toEqual([
      "received",
      "received",
    ]);
    const id = prod.peer.inbox()[0]?.id ?? "";
    prod.peer.markInjected([id], "s");
    await dev.until(({ name, value }) => name === "sent" && value.id === id && value.state === "injected");
    expect((await prod.peer.send({ to: "dev", body: "hello yourself", re: id }))[0]?.state).toBe("received");
    await third.peer.leave();
    await dev.until(({ name, value }) => name === "departed" && value.name === "third");
    expect((await failureOf(stage.create("ci", as("ci")))).code).toBe("network-exists");
    const watcher = await stage.raw("third", password);
    await dev.peer.leave();
    await prod.until("closed");
    await watcher.waitFor(({ topic, text }) => topic === stage.topic("_all", "presence") && text.includes('"closed"'));
    await prod.peer.leave();
    const again = await stage.create("prod", as("prod"));
    expect(again.peer.roster()).toHaveLength(1);
  });

  it.concurrent("hold peers apart: no other's presence written, no other's inbox, receipts and control read [ACL-2]", async ({
    onTestFinished,
  }) => {
    const stage = await prepareStage(urlOf(), onTestFinished);
    const spy = await stage.raw("ci", password);
    const dev = await stage.create("dev", { username: "dev", password });
    const prod = await stage.join("prod", { username: "prod", password });
    await eventually(() => dev.peer.roster().length === 2);
    const record = dev.peer.roster().find(({ name }) => name === "prod")?.presence;
    await spy.publish(stage.topic("prod", "presence"), { ...record, state: "left" }, { retain: true });
    await spy.publish(stage.topic("prod", "presence"), "", { retain: true });
    expect((await dev.peer.send({ to: "prod", body: "secret" }))[0]?.state).toBe("received");
    expect((await prod.peer.send({ to: "dev", body: "secret" }))[0]?.state).toBe("received");
    const read = spy.received.map(({ topic }) => topic).filter((topic) => !topic.endsWith("/presence"));
    expect(new Set(read)).toEqual(new Set([stage.topic("_all", "control")]));
    expect(dev.peer.roster()).toHaveLength(2);
    expect(dev.count("departed")).toBe(0);
  });

  it.concurrent("let the host see that a ghost is none of the roster, though it cannot clear it [PRES-18]", {
    timeout: 40_000,
  }, async ({ onTestFinished }) => {
    const stage = await prepareStage(urlOf(), onTestFinished);
    const dev = await stage.create("dev", { username: "dev", password, closingMs: 1_000 });
    const prod = await stage.process();
    await prod.join(stage.processOptions("prod", { username: "prod", password, home: await stage.otherHome() }));
    await prod.kill();
    await dev.until("lost");
    await dev.until(({ name, value }) => name === "departed" && value.name === "prod", 25_000);
    expect(dev.peer.roster()).toHaveLength(1);
  });

  it.concurrent("a wrong password ends the attempt, and stands in no error and no payload [MQTT-6] [ERR-3]", async ({
    onTestFinished,
  }) => {
    const stage = await prepareStage(urlOf(), onTestFinished);
    const failure = await failureOf(stage.create("dev", { username: "dev", password: "wrong-4711" }));
    expect(failure.code).toBe("broker-credentials");
    expect(JSON.stringify([failure.message, failure])).not.toContain("wrong-4711");
    const url = urlOf().replace("mqtt://", `mqtt://dev:${password}@`);
    const watcher = await stage.raw("ci", password);
    const dev = await stage.create("dev", { url });
    await watcher.waitFor(stage.topic("dev", "presence"));
    expect(watcher.received.some(({ text }) => text.includes(password))).toBe(false);
    expect(JSON.stringify([dev.peer.status(), dev.peer.roster()])).not.toContain(password);
  });

  for (const channel of channels) {
    it.concurrent(`a forbidden ${channel}: creating and joining say so, and leave nothing behind [LIFE-15] [LIFE-16] [LIFE-18]`, async ({
      onTestFinished,
    }) => {
      const stage = await prepareStage(forbidding?.url ?? "", onTestFinished);
      const name = `no-${channel}`;
      const account = { username: name, password };
      const topic = stage.topic(name, channel);
      const creating = await failureOf(stage.create(name, account));
      expect(creating).toMatchObject({ code: "broker-forbids", message: expect.stringContaining(topic) });
      await stage.create("dev", { username: "dev", password });
      const joining = await failureOf(stage.join(name, account));
      expect(joining).toMatchObject({ code: "broker-forbids", message: expect.stringContaining(topic) });
      const raw = await stage.raw("dev", password);
      await raw.waitFor(stage.topic("dev", "presence"));
      expect(raw.messages(stage.topic(name, "presence"))).toEqual([]);
      expect((await stage.join("fine", { username: "dev", password })).peer.state).toBe("active");
    });
  }
});

describeOnBrokers("a broker that does not do what is needed", ({ broker }) => {
  it("gives retained messages to exact subscriptions only [LIFE-17] [LIFE-18]", async ({ onTestFinished }) => {
    const stage = await prepareStage(broker(), onTestFinished);
    const raw = await stage.raw();
    const port = await startFilterProxy(
      Number(new URL(broker().url).port),
      ({ retained, lastFilter }) => retained && lastFilter.includes("+"),
    );
    const failure = await failureOf(stage.create("dev", { url: `mqtt://127.0.0.1:${port}` }));
    expect(failure).toMatchObject({ code: "broker-no-retained", message: expect.stringContaining("RabbitMQ") });
    await raw.waitFor(({ topic, text }) => topic === stage.topic("dev", "presence") && text === "");
    const joined = await stage.create("dev");
    expect(joined.peer.state).toBe("active");
  });

  it("lets a peer be that joined by hand under another name [LIFE-10]", async ({ onTestFinished }) => {
    const stage = await prepareStage(broker(), onTestFinished);
    await stage.create("dev");
    const raw = await rawMqtt(broker().url);
    await raw.subscribe(stage.topic("script", "control"));
    const join = { v: 1, type: "join", id: "j1", from: "script", epoch: "e1", box: "b1", at: Date.now() };
    await raw.publish(stage.topic("dev", "control"), join);
    expect(JSON.parse((await raw.waitFor(stage.topic("script", "control"))).text)).toMatchObject({
      type: "joined",
      re: "j1",
    });
    await raw.publish(stage.topic("dev", "control"), { ...join, id: "j2", epoch: "e2", box: "b2" });
    const answer = await raw.waitFor(({ text }) => text.includes('"j2"'));
    expect(JSON.parse(answer.text)).toMatchObject({ type: "refused", code: "name-taken", offer: "script-2" });
    await raw.close();
  });
});

describe("what is no broker", () => {
  afterAll(stopEverything);

  /** A server that answers whatever it is sent with these bytes, and keeps the connection. */
  async function answering(bytes: Buffer, onEnd: (end: () => Promise<void>) => void): Promise<string> {
    const server = createServer((socket) => {
      socket.on("error", () => undefined);
      socket.on("data", () => socket.write(bytes));
      onEnd(async () => void socket.destroy());
    });
    const port = await listen(server);
    onEnd(async () => void server.close());
    return `mqtt://127.0.0.1:${port}`;
  }

  for (const [what, bytes, code] of [
    ["a web server", Buffer.from("HTTP/1.1 400 Bad Request\r\n\r\n"), "broker-not-mqtt"],
    ["a broker that refuses MQTT 3.1.1", Buffer.from([0x20, 2, 0, 1]), "broker-protocol"],
    ["a broker that is not ready", Buffer.from([0x20, 2, 0, 3]), "broker-refused"],
    ["a broker that refuses the account", Buffer.from([0x20, 2, 0, 5]), "broker-credentials"],
  ] as const) {
    it(`${what}: ${code} [MQTT-6] [ERR-1]`, async ({ onTestFinished }) => {
      const url = await answering(bytes, onTestFinished);
      const stage = await prepareStage(url, onTestFinished);
      const failure = await failureOf(stage.create("dev"));
      expect(failure).toMatchObject({ code, message: expect.stringContaining(url) });
      expect((await failureOf(stage.join("dev"))).code).toBe(code);
    });
  }

  it("nothing at all: broker-unreachable [ERR-1]", async ({ onTestFinished }) => {
    const stage = await prepareStage(`mqtt://127.0.0.1:${await freePort()}`, onTestFinished);
    const failure = await failureOf(stage.create("dev"));
    expect(failure).toMatchObject({ code: "broker-unreachable", message: expect.stringContaining(stage.url) });
  });
});
