import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import mqtt, { type MqttClient } from "mqtt";
import { afterEach, expect, it } from "vitest";
import { startEmbeddedBroker } from "../../broker/embedded.ts";
import { ensureBroker } from "../../broker/managed.ts";
import { guardProcess, onCleanup, stopEverything } from "../support/cleanup.ts";
import { eventually } from "../support/eventually.ts";
import { temporaryHome } from "../support/temporary-home.ts";
import { freePort } from "./ports.ts";

afterEach(stopEverything);

const frozenInbox = "pilink/lab/frozen/inbox";
const bystanderInbox = "pilink/lab/bystander/inbox";
// Far above what a healthy broker takes on a busy machine, far below the 5 s (60 s by Aedes' default) of a stall.
const acceptableMs = 1_500;

async function connectClient(url: string): Promise<MqttClient> {
  const client = await mqtt.connectAsync(url, { reconnectPeriod: 0 });
  onCleanup(() => client.endAsync(true));
  return client;
}

/** A subscriber that is stopped by SIGSTOP, as a suspended terminal's or a hanging process is. */
async function startFrozenSubscriber(url: string): Promise<{ child: ChildProcess; received: () => number }> {
  const file = fileURLToPath(new URL("./subscriber.ts", import.meta.url));
  const child = spawn(process.execPath, [file, url, frozenInbox], { stdio: ["ignore", "pipe", "inherit"] });
  if (child.pid === undefined) throw new Error("no subscriber");
  const forget = guardProcess(child.pid);
  const ended = once(child, "exit").then(forget);
  onCleanup(async () => {
    child.kill("SIGKILL");
    await ended;
  });
  let output = "";
  child.stdout?.on("data", (chunk: Buffer) => {
    output += chunk.toString();
  });
  await eventually(() => output.includes("ready"), { timeoutMs: 10_000 });
  child.kill("SIGSTOP");
  return { child, received: () => Number(output.trim().split("\n").at(-1)) };
}

/** Sends to the bystander all the time, and returns the longest that a message took. */
async function measureBystander(sender: MqttClient, receiver: MqttClient, until: Promise<unknown>): Promise<number> {
  let longestMs = 0;
  let goesOn = true;
  const stop = () => {
    goesOn = false;
  };
  until.then(stop, stop);
  await receiver.subscribeAsync(bystanderInbox, { qos: 1 });
  do {
    const sentAt = performance.now();
    const arrived = new Promise((resolve) => receiver.once("message", resolve));
    await sender.publishAsync(bystanderInbox, "ping", { qos: 1 });
    await arrived;
    longestMs = Math.max(longestMs, performance.now() - sentAt);
  } while (goesOn);
  return longestMs;
}

async function flood(sender: MqttClient, messages: number): Promise<void> {
  const body = Buffer.alloc(64 * 1024, 0x61);
  for (let sent = 0; sent < messages; sent += 16) {
    await Promise.all(Array.from({ length: 16 }, () => sender.publishAsync(frozenInbox, body, { qos: 1 })));
  }
}

it("stalls neither others nor those who write to it, and gets everything when it goes on", async () => {
  const home = await temporaryHome();
  const { url } = await ensureBroker({ home: home.path, defaultPort: await freePort() });
  const frozen = await startFrozenSubscriber(url);
  const [flooder, sender, receiver] = await Promise.all([connectClient(url), connectClient(url), connectClient(url)]);

  const startedAt = performance.now();
  const messages = 56 * 16;
  const flooding = flood(flooder, messages);
  const longestMs = await measureBystander(sender, receiver, flooding);
  await flooding;
  const floodMs = performance.now() - startedAt;
  const ownMs = await measureBystander(flooder, receiver, Promise.resolve());

  frozen.child.kill("SIGCONT");
  await eventually(() => frozen.received() === messages, { timeoutMs: 10_000 });
  expect(longestMs).toBeLessThan(acceptableMs);
  expect(ownMs).toBeLessThan(acceptableMs);
  expect(floodMs).toBeLessThan(5_000);
});

it("is not cut off for being frozen longer than the drain timeout, only for the amount that waits", async () => {
  const broker = await startEmbeddedBroker({ drainTimeoutMs: 300 });
  onCleanup(() => broker.close());
  const frozen = await startFrozenSubscriber(broker.url);
  const flooder = await connectClient(broker.url);
  await eventually(() => broker.clientCount() === 2);
  const messages = 48 * 16;
  await flood(flooder, messages);
  const floodedAt = performance.now();
  await eventually(() => performance.now() - floodedAt > 1_000);
  expect(broker.clientCount()).toBe(2);
  frozen.child.kill("SIGCONT");
  await eventually(() => frozen.received() === messages, { timeoutMs: 10_000 });

  frozen.child.kill("SIGSTOP");
  await flood(flooder, 90 * 16);
  await eventually(() => broker.clientCount() === 1);
});

it("is cut off at once when 64 MiB wait for it, and others go on meanwhile", async () => {
  const broker = await startEmbeddedBroker({ drainTimeoutMs: 600_000 });
  onCleanup(() => broker.close());
  await startFrozenSubscriber(broker.url);
  const [flooder, sender, receiver] = await Promise.all([
    connectClient(broker.url),
    connectClient(broker.url),
    connectClient(broker.url),
  ]);
  await eventually(() => broker.clientCount() === 4);
  const flooding = flood(flooder, 90 * 16);
  const longestMs = await measureBystander(sender, receiver, flooding);
  await flooding;
  await eventually(() => broker.clientCount() === 3);
  expect(longestMs).toBeLessThan(acceptableMs);
});
