import { once } from "node:events";
import { get } from "node:http";
import { connect as connectSocket, type Socket } from "node:net";
import mqtt, { type MqttClient } from "mqtt";
import { afterEach, describe, expect, it } from "vitest";
import { WebSocket } from "ws";
import { type EmbeddedBroker, type EmbeddedBrokerOptions, startEmbeddedBroker } from "../../broker/embedded.ts";
import { brokerStatus, ensureBroker, startBroker, stopBroker } from "../../broker/managed.ts";
import { onCleanup, stopEverything } from "../support/cleanup.ts";
import { eventually } from "../support/eventually.ts";
import { temporaryHome } from "../support/temporary-home.ts";
import { freePort } from "./ports.ts";

afterEach(stopEverything);

const inbox = "pilink/lab/dev/inbox";
const packetLimitBytes = 100_000;
// CONNECT of the client "pl", clean session, keepalive 60 s.
const connectPacket = Buffer.from([0x10, 14, 0, 4, ...Buffer.from("MQTT"), 4, 2, 0, 60, 0, 2, ...Buffer.from("pl")]);

interface Scene {
  broker: EmbeddedBroker;
  faults: string[];
  url: string;
}

async function startScene(options: EmbeddedBrokerOptions = {}): Promise<Scene> {
  const faults: string[] = [];
  const onFault = (fault: Error) => faults.push(fault.message);
  const broker = await startEmbeddedBroker({ wsPort: 0, packetLimitBytes, onFault, ...options });
  onCleanup(() => broker.close());
  return { broker, faults, url: `ws://127.0.0.1:${broker.wsPort}` };
}

async function connectClient(url: string, options: mqtt.IClientOptions = {}): Promise<MqttClient> {
  const client = await mqtt.connectAsync(url, { reconnectPeriod: 0, ...options });
  client.on("error", () => {});
  onCleanup(() => client.endAsync(true));
  return client;
}

/** A WebSocket without MQTT; `opened` is what came of its handshake. */
function openWebSocket(url: string, protocols: string[], headers: Record<string, string> = {}) {
  const webSocket = new WebSocket(url, protocols, { headers });
  onCleanup(() => webSocket.terminate());
  const closed = new Promise<number>((resolve) => webSocket.once("close", resolve));
  const opened = new Promise<number | "open">((resolve) => {
    webSocket.on("error", () => {});
    webSocket.once("open", () => resolve("open"));
    webSocket.once("unexpected-response", (_request, response) => {
      resolve(response.statusCode ?? 0);
      webSocket.terminate();
    });
  });
  return { webSocket, opened, closed };
}

async function openMqtt(url: string) {
  const open = openWebSocket(url, ["mqtt"]);
  expect(await open.opened).toBe("open");
  return open;
}

function closeOf(socket: Socket | MqttClient): Promise<void> {
  return new Promise((resolve) => socket.once("close", () => resolve()));
}

function messageOf(client: MqttClient): Promise<Buffer> {
  return new Promise((resolve) => client.once("message", (_topic, payload) => resolve(payload)));
}

/** That the broker still serves, by both ways. */
async function expectServes({ broker, url }: Scene): Promise<void> {
  const reader = await connectClient(url);
  await reader.subscribeAsync(inbox, { qos: 1 });
  const arrived = messageOf(reader);
  await (await connectClient(broker.url)).publishAsync(inbox, "still here", { qos: 1 });
  expect(String(await arrived)).toBe("still here");
}

describe("MQTT over WebSocket", () => {
  it("reaches clients by TCP and is reached by them, and counts as a client", async () => {
    const { broker, url, faults } = await startScene();
    const [web, plain] = [await connectClient(url), await connectClient(broker.url)];
    const seen: string[] = [];
    for (const client of [web, plain]) client.on("message", (_topic, payload) => seen.push(String(payload)));
    await web.subscribeAsync("pilink/lab/web/inbox", { qos: 1 });
    await plain.subscribeAsync("pilink/lab/plain/inbox", { qos: 1 });
    await web.publishAsync("pilink/lab/plain/inbox", "from web", { qos: 1 });
    await plain.publishAsync("pilink/lab/web/inbox", "from plain", { qos: 1 });
    await eventually(() => expect(seen.sort()).toEqual(["from plain", "from web"]));
    expect(broker.clientCount()).toBe(2);
    await web.endAsync();
    await eventually(() => expect(broker.clientCount()).toBe(1));
    expect(faults).toEqual([]);
  });

  it("carries packets up to the limit, both ways", async () => {
    const { url } = await startScene();
    const client = await connectClient(url);
    await client.subscribeAsync(inbox, { qos: 1 });
    const arrived = messageOf(client);
    const payload = Buffer.alloc(packetLimitBytes - 100, "x");
    await client.publishAsync(inbox, payload, { qos: 1 });
    expect(await arrived).toEqual(payload);
  });

  it("keeps a session and its will as TCP does", async () => {
    const { broker, url } = await startScene();
    const away = await connectClient(url, { clientId: "away", clean: false });
    await away.subscribeAsync(inbox, { qos: 1 });
    await away.endAsync();
    await eventually(() => expect(broker.usage().absentSessions).toBe(1));
    const dying = await connectClient(url, {
      will: { topic: inbox, payload: Buffer.from("gone"), qos: 1, retain: false },
    });
    dying.stream.destroy();
    await eventually(() => expect(broker.usage().queuedBytes).toBeGreaterThan(0));
    const back = mqtt.connect(url, { clientId: "away", clean: false, reconnectPeriod: 0 });
    onCleanup(() => back.endAsync(true));
    expect(String(await messageOf(back))).toBe("gone");
  });

  it("has the same access rules: no reader outside of pilink/, no $SYS", async () => {
    const { url } = await startScene();
    const client = await connectClient(url);
    const seen: string[] = [];
    client.on("message", (topic) => seen.push(topic));
    const granted = await new Promise<number[]>((resolve) => {
      client.on("packetreceive", (packet) => {
        if (packet.cmd === "suback") resolve(packet.granted.map(Number));
      });
      client.subscribe(["#", "$SYS/#"], { qos: 1 }, () => {});
    });
    expect(granted).toEqual([1, 128]);
    await client.publishAsync("foo/bar", "secret", { qos: 1 });
    await client.publishAsync(inbox, "fine", { qos: 1 });
    await eventually(() => expect(seen).toEqual([inbox]));
  });

  it("names the subprotocol mqtt, and wants it [MQTT-6.0.0-3], [MQTT-6.0.0-4]", async () => {
    const { url, faults } = await startScene();
    expect((await openMqtt(url)).webSocket.protocol).toBe("mqtt");
    expect(await openWebSocket(url, ["chat", "mqtt"]).opened).toBe("open");
    expect(await openWebSocket(url, []).opened).toBe(400);
    expect(await openWebSocket(url, ["chat"]).opened).toBe(400);
    expect(faults).toHaveLength(2);
  });

  it.each([
    ["http://localhost:5173", "open"],
    ["http://127.0.0.1", "open"],
    ["https://example.com", 403],
    ["http://127.0.0.1.example.com", 403],
    ["null", 403],
  ])("answers a page from %s with %s", async (origin, answer) => {
    const { url } = await startScene();
    expect(await openWebSocket(url, ["mqtt"], { origin }).opened).toBe(answer);
  });
});

describe("MQTT over WebSocket is not hurt by", () => {
  it("a message above the packet limit, which ends its connection and no other", async () => {
    const scene = await startScene();
    const client = await connectClient(scene.url);
    const closed = closeOf(client);
    client.publish(inbox, Buffer.alloc(packetLimitBytes + 1), { qos: 1 });
    await closed;
    await eventually(() => expect(scene.faults.join()).toMatch(/payload size|too-big/i));
    await expectServes(scene);
  });

  it("one in a single frame, told by 1009 where the client listens", async () => {
    const scene = await startScene();
    const { webSocket, closed } = await openMqtt(scene.url);
    webSocket.send(Buffer.concat([connectPacket, Buffer.alloc(packetLimitBytes)]));
    expect(await closed).toBe(1009);
    await expectServes(scene);
  });

  it("a packet above the limit in many small messages: it is cut at its fixed header", async () => {
    const scene = await startScene();
    const { webSocket, closed } = await openMqtt(scene.url);
    webSocket.send(connectPacket);
    await once(webSocket, "message");
    webSocket.send(Buffer.from([0x30, 0xff, 0xff]));
    webSocket.send(Buffer.from([0xff, 0x7f]));
    await closed;
    expect(scene.faults.join()).toContain("too-big");
    await expectServes(scene);
  });

  it("text, which MQTT never is [MQTT-6.0.0-1]", async () => {
    const scene = await startScene();
    const { webSocket, closed } = await openMqtt(scene.url);
    webSocket.send(connectPacket.toString("latin1"));
    await closed;
    await expectServes(scene);
  });

  it.each([
    ["bytes that are no MQTT", Buffer.from("hello")],
    ["a broken CONNECT", Buffer.from([0x10, 4, 0, 9, 9, 9])],
  ])("%s", async (_name, bytes) => {
    const scene = await startScene();
    const { webSocket, closed } = await openMqtt(scene.url);
    webSocket.send(bytes);
    await closed;
    await expectServes(scene);
  });

  it("frames that are none, plain MQTT, and connections that say nothing", async () => {
    const scene = await startScene();
    const port = scene.broker.wsPort ?? 0;
    const open = async () => {
      const socket = connectSocket(port, "127.0.0.1");
      socket.on("error", () => {});
      onCleanup(() => void socket.destroy());
      await once(socket, "connect");
      socket.resume();
      return socket;
    };
    await open();
    const plain = await open();
    const plainClosed = closeOf(plain);
    plain.write(connectPacket);
    await plainClosed;
    const { webSocket, closed } = await openMqtt(scene.url);
    // Reserved bits and a reserved opcode.
    Reflect.get(webSocket, "_socket").write(Buffer.alloc(64, 0xff));
    await closed;
    await expectServes(scene);
  });

  it("a flood of pings by a client that reads nothing: what it is owed does not pile up", async () => {
    const scene = await startScene();
    const { webSocket } = await openMqtt(scene.url);
    let pongs = 0;
    webSocket.on("pong", () => {
      pongs += 1;
    });
    webSocket.ping("x");
    await eventually(() => expect(pongs).toBe(1));
    webSocket.pause();
    // 25 MB of pongs, more than the buffers of the system hold.
    const flood = 200_000;
    for (let sent = 0; sent < flood; sent += 1) webSocket.ping(Buffer.alloc(120));
    webSocket.send(connectPacket);
    await eventually(() => expect(scene.broker.clientCount()).toBe(1), { timeoutMs: 60_000 });
    const acknowledged = once(webSocket, "message");
    webSocket.resume();
    await acknowledged;
    expect(pongs).toBeLessThan(flood);
    await expectServes(scene);
  }, 120_000);

  it("HTTP, which is told what is wrong", async () => {
    const { url } = await startScene();
    const status = await new Promise((resolve, reject) => {
      get(url.replace("ws:", "http:"), (response) => {
        response.resume();
        resolve(response.statusCode);
      }).on("error", reject);
    });
    expect(status).toBe(426);
  });
});

describe("the broker with WebSocket", () => {
  it("closes it with itself, whatever is connected", async () => {
    const { broker, url } = await startScene();
    const client = await connectClient(url);
    const silent = await openMqtt(url);
    const raw = connectSocket(broker.wsPort ?? 0, "127.0.0.1");
    raw.on("error", () => {});
    await once(raw, "connect");
    const closed = [closeOf(client), silent.closed, closeOf(raw)];
    await broker.close();
    await Promise.all(closed);
    await expect(mqtt.connectAsync(url, { reconnectPeriod: 0 })).rejects.toThrow();
  });

  it("leaves nothing listening where the port for WebSocket is taken", async () => {
    const { broker } = await startScene();
    const port = await freePort();
    const attempt = startEmbeddedBroker({ port, wsPort: broker.wsPort });
    await expect(attempt).rejects.toMatchObject({ code: "ws-refused", cause: { code: "EADDRINUSE" } });
    await startScene({ port });
  });

  it("has none unless it is told to", async () => {
    expect((await startScene({ wsPort: undefined })).broker.wsPort).toBeUndefined();
  });
});

describe("the managed broker with WebSocket", { timeout: 60_000 }, () => {
  async function makeHome() {
    const folder = await temporaryHome();
    return { home: folder.path, defaultPort: await freePort() };
  }

  it("is recorded with its address, which its status tells until it is stopped", async () => {
    const scene = await makeHome();
    const broker = await startBroker({ ...scene, wsPort: 0 });
    expect(broker.wsUrl).toMatch(/^ws:\/\/127\.0\.0\.1:\d+$/);
    expect(await ensureBroker(scene)).toEqual({ ...broker, started: false });
    expect(await brokerStatus(scene)).toMatchObject({ running: true, wsUrl: broker.wsUrl });
    const client = await connectClient(broker.wsUrl ?? "");
    await client.publishAsync(inbox, "hello", { qos: 1 });
    const closed = closeOf(client);
    await stopBroker(scene);
    await closed;
    expect(await startBroker(scene)).not.toHaveProperty("wsUrl");
  });

  it("is not started where that port is taken, and says so", async () => {
    const scene = await makeHome();
    const { broker } = await startScene();
    const error: unknown = await startBroker({ ...scene, wsPort: broker.wsPort }).catch((error: unknown) => error);
    expect(error).toMatchObject({
      code: "broker-not-started",
      message: expect.stringMatching(new RegExp(`ws://127.0.0.1:${broker.wsPort}: .*EADDRINUSE.*--ws`)),
    });
    expect(await brokerStatus(scene)).toEqual({ running: false });
  });

  it("comes back with it after a crash, or without where the port is gone", async () => {
    const scene = await makeHome();
    const first = await startBroker({ ...scene, wsPort: 0 });
    process.kill(first.pid ?? 0, "SIGKILL");
    const second = await ensureBroker({ ...scene, purpose: "reconnect" });
    expect(second).toMatchObject({ started: true, port: first.port, wsUrl: first.wsUrl });
    process.kill(second.pid ?? 0, "SIGKILL");
    const wsPort = Number(new URL(first.wsUrl ?? "").port);
    await eventually(() => startScene({ wsPort }).then(() => true));
    const said: string[] = [];
    const third = await ensureBroker({ ...scene, purpose: "reconnect", log: (line) => said.push(line) });
    expect(third).toMatchObject({ started: true, port: first.port });
    expect(third).not.toHaveProperty("wsUrl");
    expect(said.join()).toContain("without WebSocket");
  });
});
