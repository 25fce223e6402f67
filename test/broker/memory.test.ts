import { fork } from "node:child_process";
import { once } from "node:events";
import { connect as connectSocket } from "node:net";
import { fileURLToPath } from "node:url";
import mqtt, { type MqttClient } from "mqtt";
import { afterEach, describe, expect, it } from "vitest";
import { z } from "zod";
import type { EmbeddedBrokerOptions } from "../../broker/embedded.ts";
import { guardProcess, onCleanup, stopEverything } from "../support/cleanup.ts";
import { eventually } from "../support/eventually.ts";

afterEach(stopEverything);

const mebibyte = 1024 * 1024;
const usageSchema = z.object({
  rss: z.int(),
  /** Bytes that the garbage collector cannot free. */
  kept: z.int(),
  clients: z.int(),
  queuedBytes: z.int(),
  absentSessions: z.int(),
});

interface MeasuredBroker {
  url: string;
  isSwitched: boolean;
  loadsWs: boolean;
  measure(): Promise<z.infer<typeof usageSchema>>;
}

async function startBroker(options: Pick<EmbeddedBrokerOptions, "bounds" | "wsPort"> = {}): Promise<MeasuredBroker> {
  const file = fileURLToPath(new URL("./broker-main.ts", import.meta.url));
  const child = fork(file, [JSON.stringify(options)], { execArgv: ["--expose-gc"] });
  const forget = guardProcess(child.pid ?? 0);
  const ended = once(child, "exit").then(forget);
  onCleanup(async () => {
    child.kill("SIGKILL");
    await ended;
  });
  const [started] = await once(child, "message");
  return {
    ...z.object({ url: z.string(), isSwitched: z.boolean(), loadsWs: z.boolean() }).parse(started),
    async measure() {
      const answered = once(child, "message");
      child.send("measure");
      return usageSchema.parse((await answered)[0]);
    },
  };
}

async function connect(url: string, options: mqtt.IClientOptions = {}): Promise<MqttClient> {
  const client = await mqtt.connectAsync(url, { reconnectPeriod: 0, ...options });
  client.on("error", () => {});
  onCleanup(() => client.endAsync(true));
  return client;
}

async function flood(sender: MqttClient, topic: string, messages: number, sizeBytes: number): Promise<void> {
  const payload = Buffer.alloc(sizeBytes, "x");
  for (let sent = 0; sent < messages; sent += 100) {
    await Promise.all(Array.from({ length: 100 }, () => sender.publishAsync(topic, payload, { qos: 1 })));
  }
}

/** Connects, subscribes, gets a message and goes, as a join and a leave do; every third one is cut off instead. */
async function comeAndGo(url: string, times: number, nameOf: (index: number) => string): Promise<void> {
  const atOnce = 20;
  const one = async (index: number) => {
    const id = nameOf(index);
    const topic = `pilink/lab/${id}/inbox`;
    const will = { topic: `pilink/lab/${id}/receipts`, payload: Buffer.from("gone"), qos: 1, retain: false } as const;
    const client = await mqtt.connectAsync(url, { clientId: id, clean: true, reconnectPeriod: 0, will });
    const arrived = new Promise((resolve) => client.once("message", resolve));
    await client.subscribeAsync([topic, "pilink/lab/+/presence"], { qos: 1 });
    await client.publishAsync(topic, "hello", { qos: 1 });
    await arrived;
    if (index % 3 === 0) client.stream.destroy();
    await client.endAsync(index % 3 === 0);
  };
  for (let done = 0; done < times; done += atOnce) {
    await Promise.all(Array.from({ length: atOnce }, (_none, index) => one(done + index)));
  }
}

describe("the memory of the managed broker", () => {
  it("is not spent on a cache of numbers", async () => {
    const broker = await startBroker();
    expect(broker.isSwitched).toBe(true);
    const before = await broker.measure();
    const client = await connect(broker.url);
    await client.publishAsync("pilink/lab/dev/inbox", "x", { qos: 1 });
    // The cache took 16 MB with the first packet, half of them on the heap.
    expect((await broker.measure()).kept - before.kept).toBeLessThan(4 * mebibyte);
  });

  it("is not spent on WebSocket where that is not asked for", async () => {
    expect((await startBroker()).loadsWs).toBe(false);
    expect((await startBroker({ wsPort: 0 })).loadsWs).toBe(true);
  });

  it("does not grow with clients that connect and go for ever: 2,000 of them", async () => {
    const broker = await startBroker();
    // Until then it is compiled code and tables that have found their size: half a megabyte.
    await comeAndGo(broker.url, 5_000, (index) => `warm-${index}`);
    await eventually(async () => (await broker.measure()).clients === 0);
    const before = await broker.measure();
    await comeAndGo(broker.url, 2_000, (index) => `pls-${index}`);
    await eventually(async () => (await broker.measure()).clients === 0);
    const after = await broker.measure();
    // One array and one id for each, as Aedes leaves them, would be 400 KB by themselves.
    expect(after.kept - before.kept).toBeLessThan(200_000);
    expect(after).toMatchObject({ queuedBytes: 0, absentSessions: 0 });
  }, 60_000);

  it("is bounded where many sessions are away, and messages come for all of them", async () => {
    const broker = await startBroker();
    const before = await broker.measure();
    for (let done = 0; done < 1_200; done += 50) {
      await Promise.all(
        Array.from({ length: 50 }, async (_none, index) => {
          const client = await connect(broker.url, { clientId: `away-${done + index}`, clean: false });
          await client.subscribeAsync("pilink/lab/dev/inbox", { qos: 1 });
          await client.endAsync();
        }),
      );
    }
    await eventually(async () => (await broker.measure()).absentSessions === 1_000);
    const sender = await connect(broker.url);
    await flood(sender, "pilink/lab/dev/inbox", 1_000, 4_096);
    const after = await broker.measure();
    // Without a limit a million packets would wait, each with a payload that it shares with the others.
    expect(after.queuedBytes).toBeLessThanOrEqual(128 * mebibyte);
    expect(after.kept - before.kept).toBeLessThan(50 * mebibyte);
  }, 60_000);

  it("is bounded under fire at a session that reads and never acknowledges, and others are served meanwhile", async () => {
    const broker = await startBroker();
    const before = await broker.measure();
    const topic = "pilink/lab/frozen/inbox";
    const frozen = await connect(broker.url, { clientId: "frozen", clean: false });
    await frozen.subscribeAsync(topic, { qos: 1 });
    frozen.handleMessage = () => {};
    const sender = await connect(broker.url);
    const bystander = await connect(broker.url);
    await bystander.subscribeAsync("pilink/lab/dev/inbox", { qos: 1 });
    let longestMs = 0;
    for (let round = 0; round < 30; round += 1) {
      await flood(sender, topic, 400, 16_384);
      const sentAt = performance.now();
      const arrived = new Promise((resolve) => bystander.once("message", resolve));
      await sender.publishAsync("pilink/lab/dev/inbox", "ping", { qos: 1 });
      await arrived;
      longestMs = Math.max(longestMs, performance.now() - sentAt);
    }
    // 12,000 x 16 KiB are 187 MiB; 64 MiB may wait in its socket, 16 in its queue.
    const after = await broker.measure();
    expect(after.queuedBytes).toBeLessThanOrEqual(16 * mebibyte);
    expect(after.kept - before.kept).toBeLessThan(140 * mebibyte);
    expect(longestMs).toBeLessThan(2_000);
  }, 60_000);

  it("is bounded where records are retained without end, and the last ones still come to subscribers", async () => {
    const broker = await startBroker();
    const before = await broker.measure();
    const sender = await connect(broker.url);
    const reader = await connect(broker.url);
    const seen = new Set<string>();
    reader.on("message", (topic) => seen.add(topic));
    await reader.subscribeAsync("pilink/lab/+/presence", { qos: 1 });
    const payload = Buffer.alloc(8_192, "x");
    for (let done = 0; done < 6_000; done += 100) {
      await Promise.all(
        Array.from({ length: 100 }, (_none, index) =>
          sender.publishAsync(`pilink/lab/p${done + index}/presence`, payload, { qos: 1, retain: true }),
        ),
      );
    }
    await eventually(() => seen.size === 6_000);
    // 6,000 x 8 KiB would be 47 MiB.
    expect((await broker.measure()).kept - before.kept).toBeLessThan(42 * mebibyte);
  }, 60_000);

  it("is not taken by connections that never say CONNECT, once they are gone", async () => {
    const broker = await startBroker();
    const open = async () => {
      const socket = connectSocket(Number(new URL(broker.url).port), "127.0.0.1");
      socket.on("error", () => {});
      await once(socket, "connect");
      socket.destroy();
    };
    for (let done = 0; done < 200; done += 1) await open();
    const before = await broker.measure();
    for (let done = 0; done < 1_000; done += 1) await open();
    await eventually(async () => (await broker.measure()).kept - before.kept < 500_000);
  }, 60_000);
});
