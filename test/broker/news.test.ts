import { PassThrough } from "node:stream";
import mqtt, { type MqttClient } from "mqtt";
import { describe, expect, it, onTestFinished, vi } from "vitest";
import { startEmbeddedBroker } from "../../broker/embedded.ts";
import { createNewsCheck, News } from "../../broker/news.ts";
import { Outbound } from "../../broker/outbound.ts";
import { eventually } from "../support/eventually.ts";

const member = Buffer.from('{"v":1,"state":"online","kind":"member"}');
const host = Buffer.from('{"v":1,"state":"lost","kind":"host"}');

describe("what nobody waits for", () => {
  it("is that a member comes, goes or changes, and nothing else", () => {
    const isNews = createNewsCheck();
    const presence = { topic: "pilink/lab/dev/presence", retain: false };
    expect(isNews({ ...presence, payload: member })).toBe(true);
    expect(isNews({ ...presence, payload: host })).toBe(false);
    expect(isNews({ ...presence, payload: member, retain: true })).toBe(false);
    expect(isNews({ ...presence, payload: Buffer.alloc(0) })).toBe(true);
    expect(isNews({ ...presence, topic: "pilink/lab/_all/presence", payload: member })).toBe(false);
    for (const channel of ["inbox", "receipts", "control"]) {
      expect(isNews({ topic: `pilink/lab/dev/${channel}`, retain: false, payload: member })).toBe(false);
    }
  });
});

describe("news", () => {
  it("go out at once after a quiet time, and otherwise together at the end of a round", () => {
    vi.useFakeTimers();
    onTestFinished(() => {
      vi.useRealTimers();
    });
    const sent: string[] = [];
    const stream = new PassThrough();
    stream.write = (piece: unknown): boolean => {
      sent.push(String(piece));
      return true;
    };
    const client = new Outbound(stream);
    const news = new News();
    onTestFinished(() => news.stop());
    const tell = (text: string) => {
      news.tell(client);
      stream.write(Buffer.from(text));
    };
    tell("a");
    tell("b");
    tell("c");
    expect(sent).toEqual(["a"]);
    // A round is the shorter the fewer are told.
    vi.advanceTimersByTime(1);
    expect(sent).toEqual(["a", "bc"]);
    // The next round has begun with what was told at the end of this one.
    tell("d");
    expect(news.isHeld(client)).toBe(true);
    // A message comes between: what was told before goes out before it.
    news.release(client);
    expect(sent).toEqual(["a", "bc", "d"]);
    vi.advanceTimersByTime(500);
    tell("e");
    expect(sent).toEqual(["a", "bc", "d", "e"]);
    tell("f");
    news.forget(client);
    vi.advanceTimersByTime(500);
    expect(sent).toEqual(["a", "bc", "d", "e"]);
  });
});

describe("a subscriber", () => {
  async function connect(url: string): Promise<MqttClient> {
    const client = await mqtt.connectAsync(url, { reconnectPeriod: 0 });
    onTestFinished(() => client.endAsync(true));
    return client;
  }

  it("gets the news of a member before what that member sends, and all of them", async () => {
    const broker = await startEmbeddedBroker();
    onTestFinished(() => broker.close());
    const [reader, writer] = [await connect(broker.url), await connect(broker.url)];
    const got: string[] = [];
    reader.on("message", (topic, payload) => got.push(`${topic} ${payload}`));
    await reader.subscribeAsync(["pilink/lab/+/presence", "pilink/lab/dev/inbox"], { qos: 1 });
    const wanted: string[] = [];
    for (let index = 0; index < 200; index += 1) {
      const topic = index % 7 === 6 ? "pilink/lab/dev/inbox" : `pilink/lab/peer-${index}/presence`;
      wanted.push(`${topic} ${index}`);
      writer.publish(topic, `${index}`, { qos: 1, retain: topic.endsWith("presence") });
    }
    await eventually(() => got.length === wanted.length);
    expect(got).toEqual(wanted);
  });

  it("is brought thousands of records by one subscription, in order, and each once", async () => {
    const broker = await startEmbeddedBroker();
    onTestFinished(() => broker.close());
    const [reader, writer] = [await connect(broker.url), await connect(broker.url)];
    const topics = Array.from({ length: 1_234 }, (_, index) => `pilink/lab/peer-${index}/presence`);
    await Promise.all(topics.map((topic) => writer.publishAsync(topic, member, { qos: 1, retain: true })));
    const got: string[] = [];
    reader.on("message", (topic, _payload, { retain }) => got.push(`${topic} ${retain}`));
    await reader.subscribeAsync("pilink/lab/+/presence", { qos: 1 });
    await eventually(() => got.length >= topics.length);
    expect(got).toEqual(topics.map((topic) => `${topic} true`));
  });

  it("may leave while it is brought them, and is not a fault for each", async () => {
    const faults: Error[] = [];
    const broker = await startEmbeddedBroker({ onFault: (fault) => faults.push(fault) });
    onTestFinished(() => broker.close());
    const [reader, writer] = [await connect(broker.url), await connect(broker.url)];
    for (let index = 0; index < 1_000; index += 1)
      writer.publish(`pilink/lab/peer-${index}/presence`, member, { qos: 1, retain: true });
    await writer.publishAsync("pilink/lab/last/presence", member, { qos: 1, retain: true });
    reader.once("message", () => reader.end(true));
    await reader.subscribeAsync("pilink/lab/+/presence", { qos: 1 }).catch(() => undefined);
    await eventually(() => broker.clientCount() === 1);
    await writer.publishAsync("pilink/lab/last/presence", member, { qos: 1, retain: true });
    // The connection's own, where the system has not heard of its end.
    expect(faults.length).toBeLessThanOrEqual(1);
  });
});
