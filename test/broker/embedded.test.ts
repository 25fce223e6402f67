import { once } from "node:events";
import { connect as connectSocket, type Socket } from "node:net";
import mqtt, { type MqttClient } from "mqtt";
import { afterEach, describe, expect, it } from "vitest";
import { type EmbeddedBroker, type EmbeddedBrokerOptions, startEmbeddedBroker } from "../../broker/embedded.ts";
import { probeBroker } from "../../broker/probe.ts";
import { onCleanup, stopEverything } from "../support/cleanup.ts";
import { eventually } from "../support/eventually.ts";

afterEach(stopEverything);

async function startBroker(options: EmbeddedBrokerOptions = {}): Promise<EmbeddedBroker> {
  const broker = await startEmbeddedBroker(options);
  onCleanup(() => broker.close());
  return broker;
}

async function connectClient(broker: EmbeddedBroker, options: mqtt.IClientOptions = {}): Promise<MqttClient> {
  const client = await mqtt.connectAsync(broker.url, { reconnectPeriod: 20, ...options });
  onCleanup(() => client.endAsync(true));
  return client;
}

async function connectRaw(broker: EmbeddedBroker): Promise<Socket> {
  const socket = connectSocket({ host: broker.host, port: broker.port });
  socket.on("error", () => {});
  onCleanup(() => void socket.destroy());
  await once(socket, "connect");
  return socket;
}

const connectPacket = connectAs("pl");
const announced256MiB = Buffer.from([0x30, 0xff, 0xff, 0xff, 0x7f]);

function connectAs(id: string): Buffer {
  return Buffer.from([
    0x10,
    12 + id.length,
    0,
    4,
    ...Buffer.from("MQTT"),
    4,
    2,
    0,
    60,
    0,
    id.length,
    ...Buffer.from(id),
  ]);
}

/** Unlike `once(socket, "close")`, also where the other side resets the connection. */
function closeOf(socket: Socket): Promise<void> {
  return new Promise((resolve) => socket.once("close", () => resolve()));
}

describe("what a forbidden publish meets", () => {
  it.each(["$SYS/x", "foo/bar", "pilink/", "$share/g/pilink/a"])(
    "an acknowledgement, and no reader, for %s",
    async (topic) => {
      const broker = await startBroker();
      const reader = await connectClient(broker, { clean: false, clientId: "reader" });
      const seen: string[] = [];
      reader.on("message", (name) => seen.push(name));
      await reader.subscribeAsync(["#", "+/+"], { qos: 1 });
      const writer = await connectClient(broker);
      let connects = 0;
      writer.on("connect", () => {
        connects += 1;
      });
      await writer.publishAsync(topic, "secret", { qos: 1, retain: true });
      await writer.publishAsync("pilink/lab/dev/inbox", "fine", { qos: 1 });
      await eventually(() => seen.length > 0);
      expect(seen).toEqual(["pilink/lab/dev/inbox"]);
      expect(connects).toBe(0);
      expect(writer.connected).toBe(true);

      // Neither kept for those who subscribe later, nor queued for a session that was away.
      await reader.endAsync(true);
      await writer.publishAsync(topic, "secret", { qos: 1 });
      await writer.publishAsync("pilink/lab/dev/inbox", "later", { qos: 1 });
      const returned = mqtt.connect(broker.url, { clean: false, clientId: "reader" });
      onCleanup(() => returned.endAsync(true));
      const later: string[] = [];
      returned.on("message", (name, payload) => later.push(`${name} ${payload}`));
      await eventually(() => later.length > 0);
      expect(later).toEqual(["pilink/lab/dev/inbox later"]);

      await writer.publishAsync(topic, "secret", { qos: 1, retain: true });
      await writer.publishAsync("pilink/lab/dev/presence", "kept", { qos: 1, retain: true });
      const newcomer = await connectClient(broker);
      const retained: string[] = [];
      newcomer.on("message", (name) => retained.push(name));
      await newcomer.subscribeAsync(["#", "+/+"], { qos: 1 });
      await eventually(() => retained.includes("pilink/lab/dev/presence"));
      expect(retained).toEqual(["pilink/lab/dev/presence"]);
    },
  );

  it("the same for a will", async () => {
    const broker = await startBroker();
    const reader = await connectClient(broker);
    const seen: string[] = [];
    reader.on("message", (name) => seen.push(name));
    await reader.subscribeAsync("#", { qos: 1 });
    for (const topic of ["foo/will", "pilink/lab/+/presence", "pilink/lab/dev/presence"]) {
      const dying = await connectClient(broker, {
        reconnectPeriod: 0,
        will: { topic, payload: Buffer.from("gone"), qos: 1, retain: true },
      });
      dying.stream.destroy();
    }
    await eventually(() => seen.length > 0);
    expect(seen).toEqual(["pilink/lab/dev/presence"]);
  });
});

describe("what a subscriber is given", () => {
  it("a refusal for $SYS and $share, without losing the connection or its other filters", async () => {
    const broker = await startBroker();
    const client = await connectClient(broker, { clean: false, clientId: "curious" });
    const filters = ["pilink/#", "$SYS/#", "$SYS/+/new/clients", "$share/g/pilink/#", "#"];
    const granted = await new Promise<number[]>((resolve) => {
      client.on("packetreceive", (packet) => {
        if (packet.cmd === "suback") resolve(packet.granted.map(Number));
      });
      client.subscribe(filters, { qos: 1 }, () => {});
    });
    expect(granted).toEqual([1, 128, 128, 128, 1]);

    const seen: string[] = [];
    client.on("message", (name) => seen.push(name));
    const other = await connectClient(broker, { clientId: "somebody" });
    await other.subscribeAsync("pilink/x/y/inbox");
    await other.publishAsync("$SYS/x", "forged", { qos: 1 });
    await other.publishAsync("pilink/lab/dev/inbox", "end", { qos: 1 });
    await eventually(() => seen.includes("pilink/lab/dev/inbox"));
    expect(seen.filter((name) => !name.startsWith("pilink/"))).toEqual([]);

    // Aedes stores the filters of a persistent session, the refused ones among them.
    await client.endAsync(true);
    await other.publishAsync("$SYS/x", "forged", { qos: 1 });
    await other.publishAsync("pilink/lab/dev/inbox", "again", { qos: 1 });
    const returned = mqtt.connect(broker.url, { clean: false, clientId: "curious" });
    onCleanup(() => returned.endAsync(true));
    const later: string[] = [];
    returned.on("message", (name) => later.push(name));
    await eventually(() => later.length > 0);
    expect(later.filter((name) => !name.startsWith("pilink/"))).toEqual([]);
  });

  it("retained records by wildcard", async () => {
    const broker = await startBroker();
    const writer = await connectClient(broker);
    await writer.publishAsync("pilink/lab/dev/presence", "online", { qos: 1, retain: true });
    const reader = await connectClient(broker);
    const seen: string[] = [];
    reader.on("message", (name, payload, packet) => seen.push(`${name} ${payload} ${packet.retain}`));
    await reader.subscribeAsync("pilink/lab/+/presence", { qos: 1 });
    await eventually(() => seen.length > 0);
    expect(seen).toEqual(["pilink/lab/dev/presence online true"]);
  });
});

describe("a packet that is too big", () => {
  it.each([
    ["before the CONNECT", []],
    ["after the CONNECT", [connectPacket]],
  ])("closes its connection at the header, %s", async (_when, first) => {
    const faults: string[] = [];
    const broker = await startBroker({ onFault: (fault) => faults.push(fault.message) });
    const bystander = await connectClient(broker);
    const socket = await connectRaw(broker);
    const closed = closeOf(socket);
    for (const packet of first) {
      socket.write(packet);
      await once(socket, "data");
    }
    socket.write(announced256MiB);
    await closed;
    expect(faults.join()).toMatch(/closed: (too-big|no-connect)/);
    await bystander.publishAsync("pilink/lab/dev/inbox", "still here", { qos: 1 });
    expect(broker.clientCount()).toBe(1);
  });

  it("takes no memory: 40 connections that announce 256 MiB and send as much as they are let", async () => {
    const broker = await startBroker();
    const before = process.memoryUsage();
    const chunk = Buffer.alloc(256 * 1024, 0x61);
    await Promise.all(
      Array.from({ length: 40 }, async (_none, index) => {
        const socket = await connectRaw(broker);
        const closed = closeOf(socket);
        socket.write(connectAs(`greedy-${index}`));
        await once(socket, "data");
        socket.write(announced256MiB);
        for (let sent = 0; sent < 16; sent += 1) socket.write(chunk);
        await closed;
      }),
    );
    const after = process.memoryUsage();
    expect(after.arrayBuffers - before.arrayBuffers).toBeLessThan(64 * 1024 * 1024);
  });

  it("passes up to 4 MiB", async () => {
    const broker = await startBroker();
    const reader = await connectClient(broker);
    const sizes: number[] = [];
    reader.on("message", (_name, payload) => sizes.push(payload.byteLength));
    await reader.subscribeAsync("pilink/lab/dev/inbox", { qos: 1 });
    const sizeBytes = 4 * 1024 * 1024 - 64;
    await reader.publishAsync("pilink/lab/dev/inbox", Buffer.alloc(sizeBytes), { qos: 1 });
    await eventually(() => sizes.length > 0);
    expect(sizes).toEqual([sizeBytes]);
  });
});

describe("bytes that are no MQTT", () => {
  it("end their own connection only", async () => {
    const broker = await startBroker();
    const bystander = await connectClient(broker);
    const garbage = [
      Buffer.from("GET / HTTP/1.1\r\nHost: x\r\n\r\n"),
      Buffer.from([0x10, 0x80, 0x80, 0x80, 0x80, 0x80]),
      Buffer.from([0x10, 4, 0xff, 0xff, 0xff, 0xff]),
      Buffer.from([0x1f, 2, 0, 0]),
      Buffer.from([0xf0, 0]),
      Buffer.concat([connectPacket, Buffer.from([0xf0, 0])]),
      Buffer.concat([connectPacket, Buffer.from([0x82, 3, 0, 1, 0])]),
      Buffer.concat([connectPacket, Buffer.from([0x30, 2, 0, 0])]),
      Buffer.concat([connectPacket, Buffer.from([0x36, 1, 0])]),
    ];
    for (const bytes of garbage) {
      const socket = await connectRaw(broker);
      const closed = closeOf(socket);
      socket.resume();
      socket.end(bytes);
      await closed;
    }
    await bystander.publishAsync("pilink/lab/dev/inbox", "still here", { qos: 1 });
    expect(bystander.connected).toBe(true);
  });

  it("MQTT 5 is answered with return code 1", async () => {
    const broker = await startBroker();
    const socket = await connectRaw(broker);
    socket.write(Buffer.from([0x10, 15, 0, 4, ...Buffer.from("MQTT"), 5, 2, 0, 60, 0, 0, 2, 0x70, 0x6c]));
    const [answer] = await once(socket, "data");
    expect([...answer]).toEqual([0x20, 2, 0, 1]);
  });
});

describe("counting clients", () => {
  it("counts who is connected, not who probes, and survives takeovers at the same moment", async () => {
    const broker = await startBroker();
    await connectClient(broker);
    expect((await probeBroker(broker)).kind).toBe("mqtt");
    expect(broker.clientCount()).toBe(1);
    const sockets = await Promise.all(Array.from({ length: 6 }, () => connectRaw(broker)));
    for (const socket of sockets) socket.write(connectPacket);
    await eventually(() => broker.clientCount() <= 2);
    for (const socket of sockets) socket.destroy();
    await eventually(() => broker.clientCount() === 1);
  });

  it("calls onIdle after the time without a client, not before", async () => {
    let idle = 0;
    const broker = await startBroker({
      idleMs: 150,
      onIdle: () => {
        idle += 1;
      },
    });
    const client = await connectClient(broker, { reconnectPeriod: 0 });
    const startedAt = performance.now();
    await eventually(() => performance.now() - startedAt > 300);
    expect(idle).toBe(0);
    await client.endAsync();
    const leftAt = performance.now();
    await eventually(() => idle > 0);
    expect(performance.now() - leftAt).toBeGreaterThan(100);
  });
});

describe("closing", () => {
  it("is idempotent, ends connections that have not said CONNECT, and frees the port", async () => {
    const broker = await startBroker();
    const socket = await connectRaw(broker);
    const closed = closeOf(socket);
    await connectClient(broker, { reconnectPeriod: 0 });
    await Promise.all([broker.close(), broker.close()]);
    await closed;
    await broker.close();
    const again = await startBroker({ port: broker.port });
    expect(again.port).toBe(broker.port);
  });

  it("rejects with the system's error where the port is taken", async () => {
    const broker = await startBroker();
    await expect(startEmbeddedBroker({ port: broker.port })).rejects.toMatchObject({ code: "EADDRINUSE" });
  });
});
