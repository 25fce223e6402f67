import { expect, it } from "vitest";
import { newId } from "../../protocol/ids.ts";
import { decodePresence } from "../../protocol/presence.ts";
import { describeOnBrokers } from "../support/broker-suites.ts";
import { isSent, prepareStage, receiptOf } from "./stage.ts";

const hourMs = 3_600_000;

describeOnBrokers("a message with a time to live", ({ broker }) => {
  it.concurrent("ends as expired where its receiver stays away for longer [DEL-19]", async ({ onTestFinished }) => {
    const stage = await prepareStage(broker(), onTestFinished);
    const { proxy, url } = await stage.proxy();
    const dev = await stage.create("dev");
    const prod = await stage.join("prod", { url });
    proxy.cut();
    await dev.until("lost");
    const [outcome] = await dev.peer.send({ to: "prod", body: "soon too late", ttlMs: 200 });
    // On a busy machine its time is over before the first answer.
    expect(["queued", "expired"]).toContain(outcome?.state);
    await dev.until(isSent(outcome?.id ?? "", "expired"));
    proxy.heal();
    await prod.until("connected");
    await dev.peer.send({ to: "prod", body: "in time", ttlMs: 60_000 });
    expect(prod.bodies()).toEqual(["in time"]);
  });

  it.concurrent("is not taken when it comes late, and its sender is told [DEL-19]", async ({ onTestFinished }) => {
    const stage = await prepareStage(broker(), onTestFinished);
    const raw = await stage.raw();
    const dev = await stage.create("dev");
    const prod = await stage.join("prod");
    const id = newId();
    const late = {
      ...{ v: 1, id, net: dev.peer.net, from: "dev", fromEpoch: dev.peer.epoch, fromBox: dev.peer.box },
      ...{ to: "prod", toEpoch: prod.peer.epoch, toBox: prod.peer.box, re: null, type: "message", body: "old news" },
      ...{ seq: 1, base: 1, at: Date.now() - 60_000, ttl: 1_000, trace: id, hops: 0 },
    };
    await raw.publish(stage.topic("prod", "inbox"), JSON.stringify(late));
    await raw.waitFor(receiptOf(id, "expired"));
    expect(prod.bodies()).toEqual([]);
  });

  for (const [which, clockAheadMs] of [
    ["ahead", hourMs],
    ["behind", -hourMs],
  ] as const) {
    it.concurrent(`hazard 12: is judged by the network's time where a member's clock is an hour ${which} [DEL-19] [LIFE-14]`, async ({
      onTestFinished,
    }) => {
      const stage = await prepareStage(broker(), onTestFinished);
      const raw = await stage.raw();
      const dev = await stage.create("dev");
      const prod = await stage.process({ clockAheadMs });
      await prod.join(stage.processOptions("prod"));
      const { epoch, box } = decodePresence((await raw.waitFor(stage.topic("prod", "presence"))).payload);
      const [there] = await dev.peer.send({ to: "prod", body: "to the wrong clock", ttlMs: 20_000 });
      const [back] = await prod.send({ to: "dev", body: "from the wrong clock", ttlMs: 20_000 });
      expect([there?.state, back?.state]).toEqual(["received", "received"]);
      expect(Math.abs((dev.peer.inbox()[0]?.atMs ?? 0) - Date.now())).toBeLessThan(30_000);
      // What is over is over, also where the own clock says that it was only sent just now, or will be.
      const id = newId();
      await raw.publish(stage.topic("prod", "inbox"), {
        ...{ v: 1, id, net: dev.peer.net, from: "dev", fromEpoch: dev.peer.epoch, fromBox: dev.peer.box, to: "prod" },
        ...{ toEpoch: epoch, toBox: box, re: null, type: "message", body: "old news", seq: 2, base: 2 },
        ...{ at: Date.now() - hourMs / 2, ttl: hourMs / 4, trace: id, hops: 0 },
      });
      await raw.waitFor(receiptOf(id, "expired"));
      expect((await prod.inbox()).map(({ body }) => body)).toEqual(["to the wrong clock"]);
    });
  }

  it.concurrent("hazard 12: is judged by the host's clock also where that is an hour wrong [DEL-19] [LIFE-14]", async ({
    onTestFinished,
  }) => {
    const stage = await prepareStage(broker(), onTestFinished);
    const host = await stage.process({ clockAheadMs: hourMs });
    await host.create(stage.processOptions("host"));
    const [dev, prod] = [await stage.join("dev"), await stage.join("prod")];
    const outcomes = [
      await dev.peer.send({ to: "prod", body: "between members", ttlMs: 20_000 }),
      await dev.peer.send({ to: "host", body: "to the host", ttlMs: 20_000 }),
      await host.send({ to: "dev", body: "from the host", ttlMs: 20_000 }),
    ];
    expect(outcomes.flat().map(({ state }) => state)).toEqual(["received", "received", "received"]);
    expect((prod.peer.inbox()[0]?.atMs ?? 0) - Date.now()).toBeGreaterThan(hourMs - 30_000);
  });
});
