import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { afterEach, describe, expect, test } from "vitest";
import { describeOnBrokers } from "../support/broker-suites.ts";
import { stopEverything } from "../support/cleanup.ts";
import { eventually } from "../support/eventually.ts";
import { isAlive } from "../support/live-processes.ts";
import { startTcpProxy } from "../support/network.ts";
import { rawMqtt } from "../support/raw-mqtt.ts";
import { temporaryHome } from "../support/temporary-home.ts";

describeOnBrokers("the support for brokers", ({ broker, startAnother }) => {
  test("a message passes, retained ones are marked, a dropped client leaves its will", async () => {
    const watcher = await rawMqtt(broker().url);
    await watcher.publish("pilink/lab/dev/presence", { v: 1 }, { retain: true });
    await watcher.subscribe("pilink/lab/+/presence", "pilink/lab/+/inbox");
    // Aedes acknowledges before it stores: a subscription that follows at once may still get the live copy.
    expect(await watcher.waitFor("pilink/+/dev/presence")).toMatchObject({ text: '{"v":1}' });
    const late = await rawMqtt(broker().url);
    await late.subscribe("pilink/lab/+/presence");
    expect(await late.waitFor("pilink/+/dev/presence")).toMatchObject({ retained: true, text: '{"v":1}' });

    const will = { topic: "pilink/lab/prod/presence", payload: Buffer.from("lost"), qos: 1 as const, retain: true };
    const mortal = await rawMqtt(broker().url, { will });
    mortal.drop();
    expect(await watcher.waitFor(({ text }) => text === "lost")).toMatchObject({ retained: false });
  });

  test("a proxy cuts, freezes and heals connections", async () => {
    const proxy = await startTcpProxy(broker().port);
    const client = await rawMqtt(`mqtt://127.0.0.1:${proxy.port}`, { reconnectPeriod: 20 });
    await client.subscribe("pilink/lab/echo/inbox");
    proxy.pause();
    const published = client.publish("pilink/lab/echo/inbox", "late");
    await expect(client.waitFor("#", { timeoutMs: 50 })).rejects.toThrow("No message");
    proxy.resume();
    await published;
    await client.waitFor(({ text }) => text === "late");
    proxy.cut();
    await eventually(() => !client.client.connected);
    proxy.heal();
    await eventually(() => client.client.connected);
  });

  test("a broker is killed, restarted, frozen and stopped", async () => {
    const own = await startAnother();
    const before = own.pid() ?? expect.fail("no process");
    await own.kill();
    expect(await isAlive(before)).toBe(false);
    await expect(rawMqtt(own.url)).rejects.toThrow();
    await own.restart();
    const client = await rawMqtt(own.url, { keepalive: 1, reconnectPeriod: 0 });
    own.pause();
    await eventually(() => !client.client.connected);
    own.resume();
    await own.stop();
    expect(own.pid()).toBeUndefined();
  });
});

describe("no orphans", () => {
  afterEach(stopEverything);

  test("what a test process started ends with it, even after SIGKILL", async () => {
    const home = await temporaryHome();
    const brokers = new URL("../support/brokers.ts", import.meta.url).href;
    const script = `const { startManagedBroker } = await import(${JSON.stringify(brokers)});
      const broker = await startManagedBroker({ home: ${JSON.stringify(home.path)} });
      process.stdout.write(String(broker.pid()), () => process.kill(process.pid, "SIGKILL"));`;
    const run = promisify(execFile)(process.execPath, ["--input-type=module", "-e", script]);
    const output = await run.then(
      () => expect.fail("it was to be killed"),
      (failure: unknown) => failure,
    );
    const pid = Number(output instanceof Error && "stdout" in output ? output.stdout : Number.NaN);
    expect(pid).toBeGreaterThan(0);
    await eventually(async () => !(await isAlive(pid)));
    expect(await home.processes()).toEqual([]);
  });
});
