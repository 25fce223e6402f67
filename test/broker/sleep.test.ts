import mqtt from "mqtt";
import { afterEach, expect, it, vi } from "vitest";
import { startEmbeddedBroker } from "../../broker/embedded.ts";
import { onCleanup, stopEverything } from "../support/cleanup.ts";

afterEach(async () => {
  vi.useRealTimers();
  vi.unstubAllGlobals();
  await stopEverything();
});

it("announces no living client as lost after the computer slept", async () => {
  // Aedes' heartbeats run by setInterval, which stands still during a sleep, and are judged by Date, which does not.
  // What it would do within a day of being awake is done here by hand, after a sleep of an hour.
  const daily: { periodMs: number; run: () => void }[] = [];
  const setRealInterval = setInterval;
  vi.stubGlobal("setInterval", (run: () => void, periodMs: number) => {
    if (periodMs < 24 * 3_600_000) daily.push({ periodMs, run });
    return setRealInterval(run, periodMs);
  });
  const broker = await startEmbeddedBroker();
  onCleanup(() => broker.close());
  vi.unstubAllGlobals();

  const watcher = await mqtt.connectAsync(broker.url, { reconnectPeriod: 0 });
  onCleanup(() => watcher.endAsync(true));
  const seen: string[] = [];
  watcher.on("message", (topic) => seen.push(topic));
  await watcher.subscribeAsync("pilink/#", { qos: 1 });
  const will = { topic: "pilink/lab/dev/presence", payload: Buffer.from("lost"), qos: 1, retain: false } as const;
  const sleeper = await mqtt.connectAsync(broker.url, { reconnectPeriod: 0, will });
  onCleanup(() => sleeper.endAsync(true));

  for (const { run } of daily) run();
  vi.useFakeTimers({ toFake: ["Date"], now: Date.now() + 3_600_000 });
  // The heartbeat is due in up to a minute, what judges it may be due first.
  daily.sort((a, b) => b.periodMs - a.periodMs)[0]?.run();
  await sleeper.publishAsync("pilink/lab/dev/inbox", "awake", { qos: 1 });
  await vi.waitFor(() => expect(seen).toContain("pilink/lab/dev/inbox"));
  expect(seen).toEqual(["pilink/lab/dev/inbox"]);
});
