import { EventEmitter } from "node:events";
import mqtt, { type MqttClient } from "mqtt";
import { describe, expect, it, onTestFinished } from "vitest";
import { Absences } from "../../broker/absences.ts";
import { applyBounds, type BrokerBounds, defaultBounds } from "../../broker/bounds.ts";
import { type EmbeddedBroker, startEmbeddedBroker } from "../../broker/embedded.ts";
import { RetainedRecords } from "../../broker/retained-records.ts";
import { detach, type QueuedPacket, type QueueLimits, SessionQueues, sizeOf } from "../../broker/session-queues.ts";
import { prepareStage } from "../contract/stage.ts";
import { eventually } from "../support/eventually.ts";

const inbox = "pilink/lab/dev/inbox";

function packetOf(counter: number, parts: Partial<QueuedPacket> = {}): QueuedPacket {
  const payload = Buffer.from(`message ${counter}`);
  const fixed = { cmd: "publish", brokerId: "b", topic: inbox, qos: 1, retain: false, dup: false } as const;
  return { ...fixed, brokerCounter: counter, messageId: undefined, payload, ...parts };
}

function countersOf(queues: SessionQueues, id: string): unknown[] {
  return [...queues.waiting(id)].map(({ brokerCounter }) => brokerCounter);
}

async function startBroker(bounds: Partial<BrokerBounds> = {}): Promise<EmbeddedBroker> {
  const broker = await startEmbeddedBroker({ bounds: { ...defaultBounds, ...bounds } });
  onTestFinished(() => broker.close());
  return broker;
}

async function connect(broker: EmbeddedBroker, options: mqtt.IClientOptions = {}): Promise<MqttClient> {
  const client = await mqtt.connectAsync(broker.url, { reconnectPeriod: 0, ...options });
  onTestFinished(() => client.endAsync(true));
  return client;
}

/** Makes a session that is away. */
async function leaveSession(broker: EmbeddedBroker, clientId: string): Promise<void> {
  const client = await connect(broker, { clientId, clean: false });
  await client.subscribeAsync(inbox, { qos: 1 });
  const before = broker.usage().absentSessions;
  await client.endAsync();
  await eventually(() => broker.usage().absentSessions > before);
}

/** What comes to a session that returns, until a last message that is sent to it now. */
async function returnTo(broker: EmbeddedBroker, clientId: string): Promise<{ texts: string[]; hadSession: boolean }> {
  const client = mqtt.connect(broker.url, { clientId, clean: false, reconnectPeriod: 0 });
  onTestFinished(() => client.endAsync(true));
  const texts: string[] = [];
  client.on("message", (_topic, payload) => texts.push(payload.toString()));
  const hadSession = await new Promise<boolean>((resolve) =>
    client.once("connect", ({ sessionPresent }) => resolve(sessionPresent)),
  );
  await client.subscribeAsync(inbox, { qos: 1 });
  await client.publishAsync(inbox, "end", { qos: 1 });
  await eventually(() => texts.includes("end"));
  return { texts, hadSession };
}

describe("the queues of sessions", () => {
  const limits: QueueLimits = { messages: 3, queueBytes: 10_000, totalBytes: 15_000 };

  it("keep what is not acknowledged, in order, and know each by the id it was sent with", () => {
    const queues = new SessionQueues({ ...limits, messages: 10 });
    for (const counter of [1, 2, 3]) queues.enqueue(["dev", "prod"], packetOf(counter));
    queues.update("dev", packetOf(2, { messageId: 77 }));
    expect([...queues.waiting("dev")][1]).toMatchObject({ brokerCounter: 2, messageId: 77 });
    expect(queues.settle("dev", 77)).toMatchObject({ brokerCounter: 2 });
    expect(queues.settle("dev", 77)).toBeUndefined();
    expect(countersOf(queues, "dev")).toEqual([1, 3]);
    expect(countersOf(queues, "prod")).toEqual([1, 2, 3]);
    queues.drop("dev");
    expect(countersOf(queues, "dev")).toEqual([]);
    for (const counter of [1, 2, 3]) {
      queues.update("prod", packetOf(counter, { messageId: counter }));
      queues.settle("prod", counter);
    }
    expect(queues.totalBytes).toBe(0);
  });

  it("hold a message once, also where two filters of a client match it", () => {
    const queues = new SessionQueues(limits);
    queues.enqueue(["dev", "dev"], packetOf(1));
    expect(countersOf(queues, "dev")).toEqual([1]);
  });

  it("leave out what is acknowledged while they are gone through", () => {
    const queues = new SessionQueues(limits);
    for (const counter of [1, 2, 3]) queues.enqueue(["dev"], packetOf(counter));
    const waiting = queues.waiting("dev");
    expect(waiting.next().value).toMatchObject({ brokerCounter: 1 });
    queues.update("dev", packetOf(2, { messageId: 2 }));
    queues.settle("dev", 2);
    queues.enqueue(["dev"], packetOf(4));
    expect([...waiting].map(({ brokerCounter }) => brokerCounter)).toEqual([3]);
  });

  it("take nothing away where Aedes names no message", () => {
    const queues = new SessionQueues(limits);
    queues.enqueue(["dev"], packetOf(1));
    expect(queues.settle("dev", undefined)).toBeUndefined();
    expect(countersOf(queues, "dev")).toEqual([1]);
  });

  it("give up the id of a former connection, so that an acknowledgement means the new one", () => {
    const queues = new SessionQueues(limits);
    for (const counter of [1, 2]) queues.enqueue(["dev"], packetOf(counter));
    queues.update("dev", packetOf(1, { messageId: 5 }));
    queues.update("dev", packetOf(1, { messageId: 6 }));
    queues.update("dev", packetOf(2, { messageId: 5 }));
    expect(queues.settle("dev", 5)).toMatchObject({ brokerCounter: 2 });
    expect(queues.settle("dev", 6)).toMatchObject({ brokerCounter: 1 });
  });

  it("go on with the second half of a QoS 2 handshake [MQTT-4.3.3-1]", () => {
    const queues = new SessionQueues(limits);
    queues.enqueue(["dev"], packetOf(1, { qos: 2 }));
    queues.update("dev", packetOf(1, { messageId: 9 }));
    queues.update("dev", { cmd: "pubrel", messageId: 9 });
    expect([...queues.waiting("dev")]).toMatchObject([{ cmd: "pubrel", messageId: 9 }]);
    expect(queues.settle("dev", 9)).toBeDefined();
  });

  it("take no more than so many messages, so many bytes in one and in all, and more when there is room again", () => {
    const queues = new SessionQueues(limits);
    for (const counter of [1, 2, 3, 4]) queues.enqueue(["dev"], packetOf(counter));
    expect(countersOf(queues, "dev")).toEqual([1, 2, 3]);
    queues.update("dev", packetOf(4, { messageId: 4 }));
    expect(queues.settle("dev", 4)).toBeUndefined();
    queues.drop("dev");
    const large = { payload: Buffer.alloc(6_000) };
    for (const counter of [5, 6, 7]) queues.enqueue(["a", "b", "c"], packetOf(counter, large));
    expect(["a", "b", "c"].map((id) => countersOf(queues, id))).toEqual([[5], [5], []]);
    expect(queues.totalBytes).toBeLessThanOrEqual(limits.totalBytes);
    queues.drop("a");
    queues.enqueue(["c"], packetOf(8, large));
    expect(countersOf(queues, "c")).toEqual([8]);
  });

  it("do not hold what a payload was read together with", () => {
    const read = Buffer.alloc(65_536, "x");
    const kept = detach(read.subarray(100, 350));
    expect(kept).toEqual(read.subarray(100, 350));
    expect(kept.buffer.byteLength).toBe(250);
    const whole = Buffer.from(new ArrayBuffer(2_000));
    expect(detach(whole)).toBe(whole);
  });
});

describe("the absence of clients", () => {
  it("begins with the end of the last connection, and ends a session after a time, or as the oldest of too many", () => {
    const forgotten: string[] = [];
    const absences = new Absences({ sessions: 2, expiryMs: 100 }, (id) => forgotten.push(id));
    let nowMs = 0;
    const arrive = (id: string, clean = false) => {
      const conn = new EventEmitter();
      absences.arrive({ id, clean, conn }, () => nowMs);
      return () => conn.emit("close");
    };
    const [first, second] = [arrive("a"), arrive("a")];
    first();
    expect(absences.count).toBe(0);
    second();
    arrive("probe", true)();
    expect(absences.count).toBe(1);
    nowMs = 60;
    arrive("b")();
    absences.expire(99);
    expect(forgotten).toEqual([]);
    absences.expire(100);
    expect(forgotten).toEqual(["a"]);
    const back = arrive("b");
    absences.expire(1_000);
    expect(forgotten).toEqual(["a"]);
    back();
    arrive("c")();
    arrive("d")();
    expect(forgotten).toEqual(["a", "b"]);
    expect(absences.count).toBe(2);
  });
});

describe("the retained messages", () => {
  it("are replaced and cleared, and bounded by number and bytes", () => {
    const size = sizeOf("t/1", Buffer.alloc(100));
    const records = new RetainedRecords({ records: 2, bytes: 3 * size, lostExpiryMs: 100 });
    const put = (topic: string, bytes: number) => records.store({ topic, payload: Buffer.alloc(bytes) }, 0);
    expect([put("t/1", 100), put("t/2", 100), put("t/3", 100)]).toEqual([true, true, false]);
    expect(put("t/1", 100)).toBe(true);
    expect(put("t/1", 3_000)).toBe(false);
    expect(put("t/2", 0)).toBe(true);
    expect(put("t/2", 0)).toBe(true);
    expect(put("t/3", 100)).toBe(true);
    expect(records.matching("#").map(({ topic }) => topic)).toEqual(["t/1", "t/3"]);
  });

  it("come to the filters that they match, in the order in which their topics came (MQTT 3.1.1, 4.7)", () => {
    const records = new RetainedRecords({ records: 99, bytes: 1_000_000, lostExpiryMs: 100 });
    const topics = [
      ...["pilink/lab/dev/presence", "pilink/lab/_all/presence", "pilink/lab/dev/presence/x", "pilink/lab"],
      ...["pilink/lab-2/dev/presence", "pilink/lab//presence", "pilink", "pilink/", "pilink/lab/dev"],
    ];
    for (const topic of topics) records.store({ topic, payload: Buffer.from(topic) }, 0);
    const found = (filter: string) => records.matching(filter).map(({ topic }) => topic);
    expect(found("pilink/lab/+/presence")).toEqual([
      ...["pilink/lab/dev/presence", "pilink/lab/_all/presence", "pilink/lab//presence"],
    ]);
    expect(found("pilink/lab/dev/presence")).toEqual(["pilink/lab/dev/presence"]);
    expect(found("pilink/lab/prod/presence")).toEqual([]);
    expect(found("pilink/prod/+/presence")).toEqual([]);
    expect(found("pilink/lab/dev/#")).toEqual([
      ...["pilink/lab/dev/presence", "pilink/lab/dev/presence/x", "pilink/lab/dev"],
    ]);
    expect(found("pilink/lab/#")).toHaveLength(6);
    expect(found("pilink/+/dev/presence")).toEqual(["pilink/lab/dev/presence", "pilink/lab-2/dev/presence"]);
    expect(found("pilink/#")).toHaveLength(topics.length);
    expect(found("#")).toHaveLength(topics.length);
    expect(found("+")).toEqual(["pilink"]);
    expect(found("+/+")).toEqual(["pilink/lab", "pilink/"]);
    expect(found("pilink")).toEqual(["pilink"]);
  });

  it("of a peer that was lost for long are given up, of all others not", () => {
    const records = new RetainedRecords({ records: 9, bytes: 10_000, lostExpiryMs: 100 });
    const put = (topic: string, text: string, nowMs: number) =>
      records.store({ topic, payload: Buffer.from(text) }, nowMs);
    put("pilink/lab/dead/presence", '{"v":1,"state":"lost"}', 0);
    put("pilink/lab/later/presence", '{"v":1,"state":"lost"}', 50);
    put("pilink/lab/living/presence", '{"v":1,"state":"online","activity":"\\"state\\":\\"lost\\""}', 0);
    put("pilink/lab/_all/presence", '{"v":1,"state":"closed"}', 0);
    put("pilink/lab/odd/presence", "no json", 0);
    put("pilink/lab/odd/inbox", '{"v":1,"state":"lost"}', 0);
    expect(records.expired(99)).toEqual([]);
    expect(records.expired(100)).toEqual(["pilink/lab/dead/presence"]);
  });
});

describe("the managed broker", () => {
  it("refuses an Aedes whose persistence is another one", () => {
    expect(() => applyBounds(undefined, defaultBounds)).toThrow("no persistence");
    expect(() => applyBounds({}, defaultBounds)).toThrow("outgoingEnqueue()");
  });

  it("keeps so many messages for a session that is away, in order, and no more", async () => {
    const broker = await startBroker({ messages: 20 });
    await leaveSession(broker, "away");
    const sender = await connect(broker);
    for (let index = 0; index < 50; index += 1) await sender.publishAsync(inbox, `${index}`, { qos: 1 });
    expect(broker.usage().queuedBytes).toBeLessThan(20 * 400);
    const { texts } = await returnTo(broker, "away");
    // Aedes lets what is new overtake what waited.
    await eventually(() => texts.length === 21);
    expect(texts.filter((text) => text !== "end")).toEqual(Array.from({ length: 20 }, (_none, index) => `${index}`));
    await eventually(() => broker.usage().queuedBytes === 0);
  });

  it("gives a connected client what its queue has no room for, without ending its connection", async () => {
    const broker = await startBroker({ messages: 5 });
    const client = await connect(broker, { clientId: "slow", clean: false });
    const texts: string[] = [];
    let release = () => {};
    const held = new Promise<void>((resolve) => {
      release = resolve;
    });
    // The first acknowledgement is held back, and with it all that follow.
    client.handleMessage = (packet, done) =>
      void held.then(() => texts.push(String(packet.payload))).then(() => done());
    await client.subscribeAsync(inbox, { qos: 1 });
    const sender = await connect(broker);
    for (let index = 0; index < 50; index += 1) await sender.publishAsync(inbox, `${index}`, { qos: 1 });
    release();
    await eventually(() => texts.length === 50);
    expect(texts).toEqual(Array.from({ length: 50 }, (_none, index) => `${index}`));
    expect(client.connected).toBe(true);
    await eventually(() => broker.usage().queuedBytes === 0);
  });

  it("ends the session of who is away for too long, and knows it no more", async () => {
    const broker = await startBroker({ expiryMs: 100 });
    await leaveSession(broker, "away");
    const sender = await connect(broker);
    await sender.publishAsync(inbox, "early", { qos: 1 });
    await eventually(() => broker.usage().absentSessions === 0);
    await sender.publishAsync(inbox, "late", { qos: 1 });
    expect(broker.usage().queuedBytes).toBe(0);
    expect(await returnTo(broker, "away")).toEqual({ texts: ["end"], hadSession: false });
  });

  it("keeps the session of who is back in time, and of who only connects for long", async () => {
    const broker = await startBroker({ expiryMs: 300 });
    const stays = await connect(broker, { clientId: "stays", clean: false });
    await stays.subscribeAsync(inbox, { qos: 1 });
    const startedAt = performance.now();
    await eventually(() => performance.now() - startedAt > 700);
    const texts: string[] = [];
    stays.on("message", (_topic, payload) => texts.push(payload.toString()));
    await leaveSession(broker, "away");
    const sender = await connect(broker);
    await sender.publishAsync(inbox, "kept", { qos: 1 });
    expect((await returnTo(broker, "away")).texts).toContain("kept");
    await eventually(() => texts.includes("kept"));
  });

  it("keeps the sessions of the last who left, where too many are away", async () => {
    const broker = await startBroker({ sessions: 3 });
    for (const id of ["a", "b", "c"]) await leaveSession(broker, id);
    const last = await connect(broker, { clientId: "d", clean: false });
    await last.subscribeAsync(inbox, { qos: 1 });
    await last.endAsync();
    const sender = await connect(broker);
    await eventually(async () => {
      await sender.publishAsync(inbox, "x", { qos: 1 });
      return (await returnTo(broker, "a")).hadSession === false;
    });
    expect((await returnTo(broker, "d")).hadSession).toBe(true);
    expect(broker.usage().absentSessions).toBeLessThanOrEqual(3);
  });

  it("cuts nobody off, and loses nothing, where a session resumes under traffic", async () => {
    const broker = await startBroker();
    const sender = await connect(broker);
    for (let round = 0; round < 5; round += 1) {
      await leaveSession(broker, "away");
      for (let index = 0; index < 200; index += 1) await sender.publishAsync(inbox, `${index}`, { qos: 1 });
      const back = mqtt.connect(broker.url, { clientId: "away", clean: false, reconnectPeriod: 0 });
      onTestFinished(() => back.endAsync(true));
      const texts = new Set<string>();
      back.on("message", (_topic, payload) => texts.add(payload.toString()));
      for (let index = 200; index < 400; index += 1) await sender.publishAsync(inbox, `${index}`, { qos: 1 });
      await eventually(() => texts.size === 400);
      expect(back.connected).toBe(true);
      await back.endAsync();
      await eventually(() => broker.usage().absentSessions === 1 && broker.usage().queuedBytes === 0);
      const ending = await connect(broker, { clientId: "away", clean: true });
      await ending.endAsync();
    }
  });

  it("forgets what waits for a session at once when it is ended by a clean one", async () => {
    const broker = await startBroker();
    await leaveSession(broker, "away");
    const sender = await connect(broker);
    for (let index = 0; index < 10; index += 1) await sender.publishAsync(inbox, "old", { qos: 1 });
    expect(broker.usage().queuedBytes).toBeGreaterThan(0);
    const ending = await connect(broker, { clientId: "away", clean: true });
    await ending.endAsync();
    expect(broker.usage().queuedBytes).toBe(0);
    expect(await returnTo(broker, "away")).toEqual({ texts: ["end"], hadSession: false });
  });

  it("gives up the record of a peer that was lost for long, and keeps that of one that lives", async () => {
    const broker = await startBroker({ retained: { ...defaultBounds.retained, lostExpiryMs: 100 } });
    const sender = await connect(broker);
    for (const [name, state] of [["dead", "lost"] as const, ["living", "online"] as const]) {
      await sender.publishAsync(`pilink/lab/${name}/presence`, JSON.stringify({ v: 1, state }), {
        qos: 1,
        retain: true,
      });
    }
    await eventually(async () => {
      const reader = await connect(broker);
      const seen: string[] = [];
      reader.on("message", (topic) => seen.push(topic));
      await reader.subscribeAsync("pilink/lab/+/presence", { qos: 1 });
      await eventually(() => seen.includes("pilink/lab/living/presence"));
      await reader.endAsync(true);
      return seen.length === 1;
    });
  });

  it("loses nothing by it: what it did not keep comes from the outboxes of the senders [DEL-5] [DEL-6]", async () => {
    const broker = await startBroker({ messages: 4, queueBytes: 4_000, totalBytes: 6_000 });
    const stage = await prepareStage(broker.url, onTestFinished);
    const { proxy, url } = await stage.proxy();
    const dev = await stage.create("dev");
    const ops = await stage.join("ops");
    const prod = await stage.join("prod", { url });
    const bodies = Array.from({ length: 60 }, (_none, index) => `${index} ${"x".repeat(200)}`);
    // Frozen first, so that messages are on their way when the connection ends; then gone.
    proxy.blackhole();
    const sending = [dev, ops].map(async ({ peer }) => {
      for (const body of bodies) await peer.send({ to: "prod", body, waitMs: 0 });
    });
    await Promise.all(sending);
    await dev.until("lost");
    expect(broker.usage().queuedBytes).toBeLessThanOrEqual(6_000);
    proxy.heal();
    await eventually(() => prod.bodies().length >= 2 * bodies.length, { timeoutMs: 15_000 });
    for (const from of ["dev", "ops"]) {
      const received = prod.peer.inbox().filter((entry) => entry.from === from);
      expect(received.map((entry) => entry.body)).toEqual(bodies);
    }
  });
});
