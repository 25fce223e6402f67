import { expect, it } from "vitest";
import { describeOnBrokers } from "../support/broker-suites.ts";
import { eventually } from "../support/eventually.ts";
import { isSent, type Player, prepareStage } from "./stage.ts";

const slow = { timeout: 120_000 };
// A broker that is flooded may answer a ping late.
const calm = { keepaliveMs: 30_000 };
const isLost = (who: string) => (told: Player["told"][number]) => told.name === "lost" && told.value.name === who;

describeOnBrokers("what the peers promise each other", ({ broker }) => {
  // By itself: the others load the machine, and this one has a narrow bound.
  it("everybody knows within 1 s that a process was killed [PRES-2] [PRES-8]", slow, async ({ onTestFinished }) => {
    const stage = await prepareStage(broker(), onTestFinished);
    const dev = await stage.create("dev");
    const third = await stage.join("third");
    const prod = await stage.process();
    await prod.join(stage.processOptions("prod", { home: await stage.otherHome() }));
    await eventually(() => expect([dev, third].map(({ peer }) => peer.roster().length)).toEqual([3, 3]));
    const killing = prod.kill();
    const killedAtMs = performance.now();
    await Promise.all([dev, third].map((player) => player.until(isLost("prod"))));
    expect(performance.now() - killedAtMs).toBeLessThan(1_000);
    await killing;
  });

  it.concurrent(
    "everybody knows within 1.5 keepalives and 5 s that a process is frozen, or its cable is out [PRES-2] [PRES-8]",
    slow,
    async ({ onTestFinished }) => {
      const stage = await prepareStage(broker(), onTestFinished);
      const { proxy, url } = await stage.proxy();
      const dev = await stage.create("dev");
      const frozen = await stage.process();
      await frozen.join(stage.processOptions("frozen", { home: await stage.otherHome() }));
      await stage.join("unplugged", { url, home: await stage.otherHome() });
      await eventually(() => dev.peer.roster().length === 3);
      frozen.freeze();
      proxy.blackhole();
      const sinceMs = performance.now();
      await Promise.all(["frozen", "unplugged"].map((who) => dev.until(isLost(who), 20_000)));
      // A second for a machine that is busy.
      expect(performance.now() - sinceMs).toBeLessThan(1.5 * broker().shortestKeepaliveMs + 6_000);
      frozen.thaw();
      proxy.heal();
      await eventually(
        () => expect(dev.peer.roster().map(({ state }) => state)).toEqual(["online", "online", "online"]),
        { timeoutMs: 20_000 },
      );
    },
  );

  it.concurrent(
    "what has waited for one peer does not hold up a new message to another [DEL-7]",
    slow,
    async ({ onTestFinished }) => {
      const stage = await prepareStage(broker(), onTestFinished);
      const { proxy, url } = await stage.proxy();
      const dev = await stage.create("dev", calm);
      const third = await stage.join("third", calm);
      const prod = await stage.join("prod", { ...calm, url });
      proxy.cut();
      await dev.until(isLost("prod"));
      const total = 250;
      for (let index = 0; index < total; index += 1) await dev.peer.send({ to: "prod", body: index, waitMs: 0 });
      proxy.heal();
      await eventually(() => prod.bodies().length > 0, { timeoutMs: 20_000, everyMs: 1 });
      const sentAtMs = performance.now();
      const [outcome] = await dev.peer.send({ to: "third", body: "new", waitMs: 15_000 });
      const drained = prod.bodies().length;
      expect(outcome?.state).toBe("received");
      expect(performance.now() - sentAtMs).toBeLessThan(10_000);
      expect(drained).toBeLessThan(total);
      await eventually(() => prod.bodies().length === total, { timeoutMs: 90_000 });
      expect(prod.bodies()).toEqual(Array.from({ length: total }, (_, index) => index));
      const last = dev.peer.sent().findLast(({ to }) => to === "prod");
      await dev.until(isSent(last?.id, "received"));
      expect(third.bodies()).toEqual(["new"]);
    },
  );

  // By itself: it loads the machine.
  it(
    "a peer that is frozen under a flood harms only itself: others' messages flow on [DEL-7]",
    slow,
    async ({ onTestFinished }) => {
      const stage = await prepareStage(broker(), onTestFinished);
      const dev = await stage.create("dev", calm);
      const third = await stage.join("third", calm);
      const frozen = await stage.process();
      await frozen.join(stage.processOptions("frozen", calm));
      await eventually(() => dev.peer.roster().length === 3);
      frozen.freeze();
      const body = "x".repeat(500_000);
      const total = 40;
      for (let index = 0; index < total; index += 1) await dev.peer.send({ to: "frozen", body, waitMs: 0 });
      for (let round = 0; round < 20; round += 1) {
        const sentAtMs = performance.now();
        const [there] = await dev.peer.send({ to: "third", body: `${round}`, waitMs: 15_000 });
        const [back] = await third.peer.send({ to: "dev", body: `${round}`, waitMs: 15_000 });
        expect([there?.state, back?.state]).toEqual(["received", "received"]);
        // Aedes at its defaults would hold everybody up for a minute.
        expect(performance.now() - sentAtMs).toBeLessThan(10_000);
      }
      frozen.thaw();
      await eventually(async () => expect(await frozen.inbox()).toHaveLength(total), {
        timeoutMs: 90_000,
        everyMs: 200,
      });
      expect(dev.count("disconnected") + third.count("disconnected")).toBe(0);
    },
  );
});
