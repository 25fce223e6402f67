import { createServer as createHttpServer } from "node:http";
import { createServer, type Server } from "node:net";
import { afterEach, expect, it } from "vitest";
import { startEmbeddedBroker } from "../../broker/embedded.ts";
import { probeBroker } from "../../broker/probe.ts";
import { onCleanup, stopEverything } from "../support/cleanup.ts";
import { freePort, listen } from "./ports.ts";

afterEach(stopEverything);

function answering(bytes: readonly number[]): Server {
  return createServer((socket) => {
    socket.on("error", () => {});
    socket.write(Buffer.from(bytes));
  });
}

it("finds an MQTT broker", async () => {
  const broker = await startEmbeddedBroker();
  onCleanup(() => broker.close());
  expect(await probeBroker(broker)).toEqual({ kind: "mqtt", returnCode: 0 });
});

it.each([
  [4, "credentials"],
  [5, "not authorised"],
  [1, "another version"],
])("tells the return code %i of a broker that refuses (%s)", async (code) => {
  expect(await probeBroker(await listen(answering([0x20, 2, 0, code])))).toEqual({ kind: "mqtt", returnCode: code });
});

it("finds a closed port", async () => {
  expect(await probeBroker({ host: "127.0.0.1", port: await freePort() })).toEqual({
    kind: "refused",
    code: "ECONNREFUSED",
  });
});

it("finds something silent, and only after the time given", async () => {
  const address = await listen(createServer((socket) => socket.on("error", () => {})));
  const startedAt = performance.now();
  expect(await probeBroker(address, { timeoutMs: 150 })).toEqual({ kind: "silent" });
  expect(performance.now() - startedAt).toBeGreaterThan(140);
});

it("waits for a broker that answers late", async () => {
  const server = createServer((socket) => {
    socket.on("error", () => {});
    setTimeout(() => socket.write(Buffer.from([0x20, 2, 0, 0])), 200);
  });
  expect(await probeBroker(await listen(server))).toEqual({ kind: "mqtt", returnCode: 0 });
});

it("finds something that closes, also half way through the answer", async () => {
  const closing = await listen(createServer((socket) => socket.on("error", () => {}).end()));
  expect(await probeBroker(closing)).toEqual({ kind: "closed" });
  const half = await listen(createServer((socket) => socket.on("error", () => {}).end(Buffer.from([0x20, 2]))));
  expect(await probeBroker(half)).toEqual({ kind: "closed" });
});

it("finds an HTTP server, a TLS alert, and other bytes to be no MQTT", async () => {
  expect(await probeBroker(await listen(createHttpServer()))).toEqual({ kind: "not-mqtt" });
  expect(await probeBroker(await listen(answering([0x15, 3, 1, 0, 2, 2, 50])))).toEqual({ kind: "not-mqtt" });
  expect(await probeBroker(await listen(answering([0x20, 3])))).toEqual({ kind: "not-mqtt" });
});
