import { expect, it } from "vitest";
import { describeOnBrokers } from "../support/broker-suites.ts";
import { eventually } from "../support/eventually.ts";
import { rawMqtt } from "../support/raw-mqtt.ts";

// What the peer layer needs of a broker, and no more ([MQTT-1]). Each test has topics of its own.
describeOnBrokers("the broker", ({ broker, kind }) => {
  const will = (topic: string) => ({ topic, payload: Buffer.from("lost"), qos: 1 as const, retain: true });

  it("delivers QoS 1 in order, and acknowledges it [MQTT-1] [MQTT-4]", async () => {
    const [from, to] = [await rawMqtt(broker().url), await rawMqtt(broker().url)];
    await to.subscribe("pilink/qos/dev/inbox");
    for (let index = 0; index < 50; index += 1) await from.publish("pilink/qos/dev/inbox", `${index}`);
    await eventually(() => to.received.length === 50);
    expect(to.received.map(({ text }) => text)).toEqual(Array.from({ length: 50 }, (_, index) => `${index}`));
    expect(to.received.every(({ qos, retained }) => qos === 1 && !retained)).toBe(true);
  });

  it("gives retained messages to exact and wildcard subscriptions, until an empty one clears them [MQTT-1]", async () => {
    const client = await rawMqtt(broker().url);
    const topics = Array.from({ length: 20 }, (_, index) => `pilink/retained/p-${index}/presence`);
    for (const topic of topics) await client.publish(topic, topic, { retain: true });

    const exact = await rawMqtt(broker().url);
    await exact.subscribe("pilink/retained/p-7/presence");
    expect((await exact.waitFor("pilink/retained/p-7/presence")).retained).toBe(true);

    const wildcard = await rawMqtt(broker().url);
    await wildcard.subscribe("pilink/retained/+/presence");
    await eventually(() => wildcard.messages(({ retained }) => retained).length === topics.length);
    expect(new Set(wildcard.received.map(({ topic }) => topic))).toEqual(new Set(topics));

    for (const topic of topics) await client.publish(topic, "", { retain: true });
    await eventually(() => wildcard.messages(({ text }) => text === "").length === topics.length);
    const late = await rawMqtt(broker().url);
    await late.subscribe("pilink/retained/+/presence", "pilink/retained/end");
    await client.publish("pilink/retained/end", "end");
    await late.waitFor("pilink/retained/end");
    expect(late.messages("pilink/retained/+/presence")).toEqual([]);
  });

  it("gives the retained messages again when a connection subscribes again [PRES-11]", async () => {
    const client = await rawMqtt(broker().url);
    await client.publish("pilink/again/dev/presence", "born", { retain: true });
    await client.subscribe("pilink/again/+/presence");
    await eventually(() => client.messages(({ retained }) => retained).length === 1);
    // mqtt.js skips a filter that it knows, unless told; its types have the option apart from the filters.
    const filters = { "pilink/again/+/presence": { qos: 1 as const } };
    await client.client.subscribeAsync(Object.assign<typeof filters, object>(filters, { resubscribe: true }));
    await eventually(() => client.messages(({ retained }) => retained).length === 2);
  });

  it("publishes a will when a connection breaks, retained, and none after DISCONNECT [MQTT-1] [PRES-2]", async () => {
    const watcher = await rawMqtt(broker().url);
    await watcher.subscribe("pilink/will/+/presence", "pilink/will/end");
    const broken = await rawMqtt(broker().url, { will: will("pilink/will/broken/presence") });
    broken.drop();
    await watcher.waitFor("pilink/will/broken/presence");
    const late = await rawMqtt(broker().url);
    await late.subscribe("pilink/will/+/presence");
    expect(await late.waitFor("pilink/will/broken/presence")).toMatchObject({ text: "lost", retained: true });

    const polite = await rawMqtt(broker().url, { will: will("pilink/will/polite/presence") });
    await polite.close();
    const second = await rawMqtt(broker().url, { will: will("pilink/will/second/presence") });
    second.drop();
    // The will of a later connection has come, so that of the earlier one would have.
    await watcher.waitFor("pilink/will/second/presence");
    expect(watcher.messages("pilink/will/polite/presence")).toEqual([]);
  });

  it("lets a new connection take over a client id; the old will comes before, after, or not at all [PRES-7]", async () => {
    const watcher = await rawMqtt(broker().url);
    await watcher.subscribe("pilink/takeover/+/presence");
    const options = { clientId: "pl-takeover", clean: false };
    const first = await rawMqtt(broker().url, { ...options, will: will("pilink/takeover/dev/presence") });
    const ended = new Promise<void>((resolve) => first.client.once("close", () => resolve()));
    const second = await rawMqtt(broker().url, { ...options, will: will("pilink/takeover/dev/presence") });
    await ended;
    await second.publish("pilink/takeover/dev/presence", "born", { retain: true });
    await watcher.waitFor(({ text }) => text === "born");
    expect(second.client.connected).toBe(true);
    expect(watcher.messages(({ text }) => text === "lost").length).toBeLessThanOrEqual(1);
  });

  it("keeps a queue for a persistent session, until a clean one replaces it [MQTT-2] [PRES-12]", async () => {
    const session = { clientId: "pl-session", clean: false };
    const sender = await rawMqtt(broker().url);
    const first = await rawMqtt(broker().url, session);
    await first.subscribe("pilink/session/dev/inbox");
    await first.close();
    for (const text of ["1", "2", "3"]) await sender.publish("pilink/session/dev/inbox", text);
    const second = await rawMqtt(broker().url, session);
    await eventually(() => second.received.length === 3);
    expect(second.received.map(({ text }) => text).sort()).toEqual(["1", "2", "3"]);
    await second.close();

    await sender.publish("pilink/session/dev/inbox", "4");
    await (await rawMqtt(broker().url, { ...session, clean: true })).close();
    const third = await rawMqtt(broker().url, session);
    await third.subscribe("pilink/session/dev/end");
    await sender.publish("pilink/session/dev/end", "end");
    await third.waitFor("pilink/session/dev/end");
    expect(third.messages("pilink/session/dev/inbox")).toEqual([]);
  });

  it("knows the wildcards + and # [MQTT-1]", async () => {
    const [plus, hash, sender] = await Promise.all([1, 2, 3].map(() => rawMqtt(broker().url)));
    if (!plus || !hash || !sender) throw new Error("unreachable");
    await plus.subscribe("pilink/wild/+/presence");
    await hash.subscribe("pilink/wild/#");
    for (const topic of ["wild/dev/presence", "wild/dev/inbox", "wilder/dev/presence", "wild/_all/presence"]) {
      await sender.publish(`pilink/${topic}`, topic);
    }
    await eventually(() => plus.received.length === 2 && hash.received.length === 3);
    expect(plus.received.map(({ text }) => text)).toEqual(["wild/dev/presence", "wild/_all/presence"]);
    expect(hash.received.map(({ text }) => text)).toEqual([
      "wild/dev/presence",
      "wild/dev/inbox",
      "wild/_all/presence",
    ]);
  });

  it("carries the largest envelope [ENV-8]", async () => {
    const [from, to] = [await rawMqtt(broker().url), await rawMqtt(broker().url)];
    await to.subscribe("pilink/size/dev/inbox");
    const payload = Buffer.alloc(1_999_000, "x");
    await from.publish("pilink/size/dev/inbox", payload);
    expect((await to.waitFor("pilink/size/dev/inbox")).payload.equals(payload)).toBe(true);
  });

  if (kind === "managed") {
    it("acknowledges what it forbids, delivers it to nobody, and keeps the connection [MQTT-9]", async () => {
      const [from, to] = [await rawMqtt(broker().url), await rawMqtt(broker().url)];
      await to.subscribe("#");
      await from.publish("elsewhere/dev/inbox", "forbidden");
      await from.publish("pilink/forbid/dev/inbox", "permitted");
      await to.waitFor("pilink/forbid/dev/inbox");
      expect(to.received.filter(({ text }) => text === "forbidden")).toEqual([]);
      expect(from.client.connected).toBe(true);
    });

    it("closes a connection that announces more than 4 MiB [MQTT-8]", async () => {
      const from = await rawMqtt(broker().url);
      const closed = new Promise<void>((resolve) => from.client.once("close", () => resolve()));
      from.client.publish("pilink/size/dev/inbox", Buffer.alloc(4 * 1024 * 1024 + 1), { qos: 1 });
      await closed;
    });
  }
});
