import { expect, it } from "vitest";
import { describeOnBrokers } from "../support/broker-suites.ts";
import { eventually } from "../support/eventually.ts";
import { startFilterProxy } from "./filter-proxy.ts";
import { isSent, prepareStage, type Stage } from "./stage.ts";

const slow = { timeout: 40_000 };

/** What went over one peer's connection, keepalives excepted (MQTT 3.1.1 §3.12, §3.13). */
interface Meter {
  url: string;
  packets: number;
  sizeBytes: number;
  /** How many of the packets were a PUBLISH whose PUBACK has not passed yet. */
  open: number;
}

/** An acknowledgement follows its message: only between two of them are counts whole. */
function atRest(...meters: Meter[]): Promise<unknown> {
  return eventually(() => meters.every(({ open }) => open === 0));
}

async function startMeter(stage: Stage): Promise<Meter> {
  const meter = { url: "", packets: 0, sizeBytes: 0, open: 0 };
  const note = (packet: Buffer) => {
    const type = (packet[0] ?? 0) >> 4;
    if (type >= 12) return;
    if (type === 3) meter.open += 1;
    if (type === 4) meter.open -= 1;
    meter.packets += 1;
    meter.sizeBytes += packet.length;
  };
  const port = await startFilterProxy(Number(new URL(stage.url).port), () => false, note);
  meter.url = `mqtt://127.0.0.1:${port}`;
  return meter;
}

// Counts, not times: they are the same on every machine, and grow only where somebody adds to what is said.
describeOnBrokers("what a network costs", ({ broker }) => {
  it.concurrent(
    "is two packets each way and 1,300 bytes for a message of 256 bytes, with its receipt",
    slow,
    async ({ onTestFinished }) => {
      const stage = await prepareStage(broker(), onTestFinished);
      const [near, far] = [await startMeter(stage), await startMeter(stage)];
      const dev = await stage.create("dev", { url: near.url });
      const prod = await stage.join("prod", { url: far.url });
      const exchange = async () => {
        const [outcome] = await dev.peer.send({ to: "prod", body: "x".repeat(256) });
        await dev.until(isSent(outcome?.id ?? "", "received"));
      };
      // The first one is preceded by what the join has still under way.
      await exchange();
      await atRest(near, far);
      const before = { near: { ...near }, far: { ...far } };
      const count = 20;
      for (let sent = 0; sent < count; sent += 1) await exchange();
      expect(prod.bodies()).toHaveLength(count + 1);
      // The last acknowledgement may still be on its way.
      await eventually(() => near.packets - before.near.packets === 4 * count);
      await eventually(() => far.packets - before.far.packets === 4 * count);
      expect((near.sizeBytes - before.near.sizeBytes) / count).toBeLessThan(1_300);
      expect((far.sizeBytes - before.far.sizeBytes) / count).toBeLessThan(1_300);
    },
  );

  it.concurrent(
    "is two packets for a member when another one joins, and four when it leaves",
    slow,
    async ({ onTestFinished }) => {
      const stage = await prepareStage(broker(), onTestFinished);
      const meter = await startMeter(stage);
      await stage.create("dev");
      const watcher = await stage.join("watcher", { url: meter.url });
      const others: string[] = [];
      const came = async () => {
        const name = `guest-${others.length}`;
        others.push(name);
        const guest = await stage.join(name, { home: await stage.otherHome() });
        await watcher.until(({ name: event, value }) => event === "joined" && Object(value).name === name);
        return guest;
      };
      await came();
      await atRest(meter);
      const before = { ...meter };
      const guest = await came();
      await eventually(() => meter.packets - before.packets === 2);
      expect(meter.sizeBytes - before.sizeBytes).toBeLessThan(700);
      await guest.peer.leave();
      // The record `left`, and the empty one that clears it, each acknowledged.
      await eventually(() => meter.packets - before.packets === 6);
    },
  );

  it.concurrent(
    "is 28 packets for who joins, and two for each who is there already",
    slow,
    async ({ onTestFinished }) => {
      const stage = await prepareStage(broker(), onTestFinished);
      const others = [await stage.create("dev")];
      for (const count of [1, 2, 4]) {
        while (others.length < count) others.push(await stage.join(`guest-${others.length}`));
        const meter = await startMeter(stage);
        const newcomer = await stage.join(`newcomer-${count}`, { url: meter.url, home: await stage.otherHome() });
        others.push(newcomer);
        await eventually(() => newcomer.peer.roster().length === others.length);
        await atRest(meter);
        // Its own record comes as well, and once more where the broker is quick to pass it on and slow to retain it.
        expect(meter.packets).toBeGreaterThanOrEqual(28 + 2 * others.length);
        expect(meter.packets).toBeLessThanOrEqual(28 + 2 * others.length + 2);
      }
    },
  );
});
