import { expect, it } from "vitest";
import { newBox, newEpoch, newId } from "../../protocol/ids.ts";
import { describeOnBrokers } from "../support/broker-suites.ts";
import { eventually } from "../support/eventually.ts";
import { rawMqtt } from "../support/raw-mqtt.ts";
import { envelopeBetween, type Player, prepareStage, type Stage, type Told } from "./stage.ts";

/** A host and a member, and a stranger on the same broker. */
async function cast(stage: Stage) {
  const raw = await stage.raw();
  const dev = await stage.create("dev");
  const prod = await stage.join("prod");
  await eventually(() => dev.peer.roster().length === 2);
  return { raw, dev, prod };
}

/** Both still talk, and know each other. */
async function expectAlive(dev: Player, prod: Player) {
  const [there] = await dev.peer.send({ to: "prod", body: "still there?" });
  const [back] = await prod.peer.send({ to: "dev", body: "yes" });
  expect([there?.state, back?.state]).toEqual(["received", "received"]);
  for (const { peer, count } of [dev, prod]) {
    expect(peer.state).toBe("active");
    expect(peer.roster().map(({ name, state }) => [name, state])).toEqual([
      ["dev", "online"],
      ["prod", "online"],
    ]);
    expect(count("suspended") + count("disconnected") + count("trouble")).toBe(0);
  }
}

const garbage: [string, string | Buffer][] = [
  ["an object with v that is no envelope", '{"v":1}'],
  ["a later version", '{"v":2,"body":"hello"}'],
  ["a version that is no number", '{"v":"1","body":"hello"}'],
  ["wrong types", '{"v":1,"body":"hello","from":7,"hops":"many","net":[],"epoch":{},"state":0,"type":9}'],
  ["a name with a terminal escape", '{"v":1,"body":"x","from":"\\u001b[31mdev"}'],
  ["bytes that are no UTF-8", Buffer.from([0x7b, 0x22, 0xff, 0xfe, 0xc3, 0x28])],
  ["nesting without end", `{"v":1,"body":${"[".repeat(5_000)}${"]".repeat(5_000)}}`],
  ["a prototype", '{"v":1,"__proto__":{"body":"x"},"constructor":1}'],
];

describeOnBrokers("garbage", ({ broker, kind }) => {
  it("on every topic is rejected, counted and told with its reason, and ends nobody [ENV-12] [PRES-4] [ERR-2] [ENV-4] [ENV-5] [ENV-9] [ENV-10]", async ({
    onTestFinished,
  }) => {
    const stage = await prepareStage(broker(), onTestFinished);
    const { raw, dev, prod } = await cast(stage);
    const topics = ["inbox", "presence", "receipts", "control"].map((channel) => stage.topic("prod", channel));
    topics.push(stage.topic("_all", "presence"), stage.topic("dev", "presence"));
    const ofHost = stage.topic("_all", "control");
    for (const [, payload] of garbage) await raw.publish(ofHost, payload);
    let expected = 0;
    for (const topic of topics) {
      for (const [, payload] of garbage) {
        await raw.publish(topic, payload);
        expected += 1;
      }
    }
    await eventually(() => prod.count("rejected") === expected);
    const isOfHost = ({ name, value }: Told) => name === "rejected" && value.topic === ofHost;
    await eventually(() => dev.told.filter(isOfHost).length === garbage.length);
    for (const told of prod.told) {
      if (told.name !== "rejected") continue;
      expect(["bad-payload", "unknown-version"]).toContain(told.value.error.code);
      // No message of an error holds what a terminal would obey.
      expect(told.value.error.message).not.toMatch(/[\p{Cc}\p{Cf}]/u);
      expect(topics).toContain(told.value.topic);
    }
    const { rejected } = prod.peer.status();
    expect(Object.values(rejected).reduce((sum, count) => sum + count, 0)).toBe(expected);
    expect(rejected["unknown-version"]).toBeGreaterThan(topics.length);
    expect(prod.bodies()).toEqual([]);
    // No payload was answered.
    expect(raw.messages(({ topic }) => topic === stage.topic("dev", "receipts"))).toHaveLength(1);
    await expectAlive(dev, prod);
  });

  it("of 10 MiB ends at most the connection of who sent it [MQTT-8] [ENV-7] [ENV-8] [ERR-2]", async ({
    onTestFinished,
  }) => {
    const stage = await prepareStage(broker(), onTestFinished);
    const { dev, prod } = await cast(stage);
    for (const [channel, retain] of [
      ["inbox", false],
      ["presence", true],
      ["receipts", false],
      ["control", false],
    ] as const) {
      const stranger = await rawMqtt(broker().url);
      const closed = new Promise<string>((resolve) => stranger.client.once("close", () => resolve("closed")));
      const sent = stranger.publish(stage.topic("prod", channel), Buffer.alloc(10 * 1024 * 1024, "x"), { retain });
      const ended = await Promise.race([sent.then(() => "sent").catch(() => "closed"), closed]);
      expect(ended).toBe(kind === "managed" ? "closed" : "sent");
      if (retain && ended === "sent") await stranger.publish(stage.topic("prod", channel), "", { retain });
      stranger.drop();
    }
    if (kind !== "managed") {
      await eventually(() => prod.count("rejected") === 4);
      expect(prod.peer.status().rejected).toMatchObject({ "too-big": 1, "bad-payload": 3 });
    }
    const raw = await stage.raw();
    await raw.publish(stage.topic("prod", "inbox"), "x".repeat(1_048_577));
    await eventually(() => prod.peer.status().rejected["too-big"] === (kind === "managed" ? 1 : 2));
    await eventually(() => expect(prod.peer.roster().map(({ state }) => state)).toEqual(["online", "online"]));
    const [outcome] = await dev.peer.send({ to: "prod", body: "still there?" });
    expect(outcome?.state).toBe("received");
    expect(prod.bodies()).toEqual(["still there?"]);
  });

  it("a message that claims to come from its receiver is rejected [INBOX-2]", async ({ onTestFinished }) => {
    const stage = await prepareStage(broker(), onTestFinished);
    const { raw, dev, prod } = await cast(stage);
    const inbox = stage.topic("prod", "inbox");
    await raw.publish(inbox, { v: 1, body: "by hand", from: "prod" });
    await raw.publish(inbox, envelopeBetween(prod.peer, prod.peer));
    await raw.publish(inbox, envelopeBetween(dev.peer, prod.peer, { fromBox: prod.peer.box }));
    await raw.publish(inbox, envelopeBetween(dev.peer, prod.peer, { fromEpoch: prod.peer.epoch }));
    await eventually(() => prod.count("rejected") === 4);
    expect(prod.bodies()).toEqual([]);
    await expectAlive(dev, prod);
  });

  it("a full envelope of nobody in the roster is unverified, not rejected [INBOX-5] [INBOX-7]", async ({
    onTestFinished,
  }) => {
    const stage = await prepareStage(broker(), onTestFinished);
    const { raw, dev, prod } = await cast(stage);
    const inbox = stage.topic("prod", "inbox");
    await raw.publish(inbox, envelopeBetween(dev.peer, prod.peer, { fromBox: newBox(), body: "wrong box" }));
    await raw.publish(inbox, envelopeBetween(dev.peer, prod.peer, { fromEpoch: newEpoch(), fromBox: newBox() }));
    await raw.publish(inbox, envelopeBetween(dev.peer, prod.peer, { from: "ci", fromBox: newBox(), body: "nobody" }));
    await eventually(() => prod.peer.inbox().length === 3);
    expect(prod.peer.inbox().map(({ verified }) => verified)).toEqual([false, false, false]);
    await expectAlive(dev, prod);
  });

  it("forged receipts and receipts of unknown messages change nothing [RCPT-2] [RCPT-3]", async ({
    onTestFinished,
  }) => {
    const stage = await prepareStage(broker(), onTestFinished);
    const { raw, dev, prod } = await cast(stage);
    const third = await stage.join("third");
    const [outcome] = await dev.peer.send({ to: "prod", body: "hi" });
    const good = { v: 1, net: dev.peer.net, id: outcome?.id, state: "seen", from: "prod", epoch: prod.peer.epoch };
    const receipt = { ...good, box: prod.peer.box, at: 1 };
    const forged = [
      { ...receipt, id: newId() },
      { ...receipt, from: "third", epoch: third.peer.epoch, box: third.peer.box },
      { ...receipt, box: newBox() },
      { ...receipt, net: newEpoch() },
      { ...receipt, state: "eaten" },
    ];
    for (const each of forged) await raw.publish(stage.topic("dev", "receipts"), each);
    await eventually(() => dev.count("rejected") === forged.length);
    expect(dev.peer.sent()[0]?.state).toBe("received");
  });

  it("forged presence is repaired or ignored, and forged control answers mean nothing [PRES-6] [PRES-13] [CTRL-3] [CTRL-4]", async ({
    onTestFinished,
  }) => {
    const stage = await prepareStage(broker(), onTestFinished);
    const { raw, dev, prod } = await cast(stage);
    const record = JSON.parse((await raw.waitFor(stage.topic("prod", "presence"))).text);
    const topic = stage.topic("prod", "presence");
    const before = raw.received.length;
    // Of another instance, then "lost" and nothing, in the name of a peer that lives.
    await raw.publish(topic, { ...record, net: newEpoch(), epoch: newEpoch() }, { retain: true });
    await raw.publish(topic, { ...record, state: "lost" }, { retain: true });
    await raw.publish(topic, "", { retain: true });
    await raw.waitFor(
      ({ topic: at, text }) => at === topic && text.includes(prod.peer.epoch) && /"online"/.test(text),
      {
        after: before + 3,
      },
    );
    const control = { v: 1, from: "dev", epoch: dev.peer.epoch, net: dev.peer.net };
    const other = { name: "prod", to: { epoch: newEpoch(), box: newBox() } };
    await raw.publish(stage.topic("prod", "control"), { ...control, type: "granted", re: newId(), ...other });
    await raw.publish(stage.topic("prod", "control"), { ...control, type: "pong", re: newId(), conn: 1, at: 1 });
    for (const channel of ["control", "inbox", "receipts"]) {
      const probe = { v: 1, type: "probe", id: newId(), from: "prod", epoch: newEpoch() };
      await raw.publish(stage.topic("prod", channel), probe);
    }
    await expectAlive(dev, prod);
    expect(prod.bodies()).toEqual(["still there?"]);
    expect(prod.count("rejected")).toBe(0);
  });

  it("what a person or a script publishes arrives unverified, in order, and gets no receipt [ENV-1] [ENV-3] [ENV-4] [INBOX-6] [INBOX-7]", async ({
    onTestFinished,
  }) => {
    const stage = await prepareStage(broker(), onTestFinished);
    const { raw, prod } = await cast(stage);
    const inbox = stage.topic("prod", "inbox");
    const payloads = [
      "build finished",
      "42",
      '{"status":"failed","job":1207}',
      "[1,2]",
      "null",
      '{"v":1,"body":"by hand"}',
      '{"v":1,"body":{"x":1},"from":"ci","id":"mine","type":"result","future":true}',
      "tab\tand \u001b[31mred",
    ];
    for (const payload of payloads) await raw.publish(inbox, payload);
    await raw.publish(inbox, payloads[6] ?? "");
    await eventually(() => prod.peer.inbox().length === payloads.length);
    expect(prod.bodies()).toEqual([
      ...["build finished", 42, { status: "failed", job: 1207 }, [1, 2], null, "by hand", { x: 1 }],
      "tab\tand \u001b[31mred",
    ]);
    expect(prod.peer.inbox().every(({ verified }) => !verified)).toBe(true);
    expect(prod.peer.inbox()[6]).toMatchObject({ id: "mine", from: "ci", type: "result" });
    expect(new Set(prod.peer.inbox().map(({ id }) => id)).size).toBe(payloads.length);
    expect(raw.messages(({ topic }) => topic.endsWith("/receipts") && !topic.includes("/dev/"))).toHaveLength(1);
    expect(raw.messages(stage.topic("ci", "receipts"))).toEqual([]);
    expect(prod.count("rejected")).toBe(0);
  });

  it("a network can turn unverified messages off [INBOX-8]", async ({ onTestFinished }) => {
    const stage = await prepareStage(broker(), onTestFinished);
    const raw = await stage.raw();
    const dev = await stage.create("dev");
    const prod = await stage.join("prod", { acceptUnverified: false });
    const inbox = stage.topic("prod", "inbox");
    await raw.publish(inbox, "build finished");
    await raw.publish(inbox, { v: 1, body: "by hand" });
    await raw.publish(inbox, envelopeBetween(dev.peer, prod.peer, { from: "ci", fromBox: newBox() }));
    await eventually(() => prod.count("rejected") === 3);
    const [outcome] = await dev.peer.send({ to: "prod", body: "verified" });
    expect(outcome?.state).toBe("received");
    expect(prod.bodies()).toEqual(["verified"]);
  });

  it("a forged left of the host ends no network: the host is asked, and repairs its record [END-5] [PRES-13]", async ({
    onTestFinished,
  }) => {
    const stage = await prepareStage(broker(), onTestFinished);
    const { raw, dev, prod } = await cast(stage);
    const record = JSON.parse((await raw.waitFor(stage.topic("dev", "presence"))).text);
    const before = raw.received.length;
    await raw.publish(stage.topic("dev", "presence"), { ...record, state: "left" }, { retain: true });
    await raw.publish(stage.topic("dev", "presence"), "", { retain: true });
    await raw.waitFor(({ topic, text }) => topic === stage.topic("dev", "control") && text.includes('"ping"'), {
      after: before,
    });
    await raw.waitFor(({ topic, text }) => topic === stage.topic("prod", "control") && text.includes('"pong"'), {
      after: before,
    });
    await eventually(() => prod.peer.roster().length === 2);
    await expectAlive(dev, prod);
  });
});
