import { expect, it } from "vitest";
import { newId } from "../../protocol/ids.ts";
import { describeOnBrokers } from "../support/broker-suites.ts";
import { isSent, prepareStage, receiptOf } from "./stage.ts";

describeOnBrokers("a message with a time to live", ({ broker }) => {
  it.concurrent("ends as expired where its receiver stays away for longer [DEL-19]", async ({ onTestFinished }) => {
    const stage = await prepareStage(broker().url, onTestFinished);
    const { proxy, url } = await stage.proxy();
    const dev = await stage.create("dev");
    const prod = await stage.join("prod", { url });
    proxy.cut();
    await dev.until("lost");
    const [outcome] = await dev.peer.send({ to: "prod", body: "soon too late", ttlMs: 200 });
    expect(outcome?.state).toBe("queued");
    await dev.until(isSent(outcome?.id ?? "", "expired"));
    proxy.heal();
    await prod.until("connected");
    await dev.peer.send({ to: "prod", body: "in time", ttlMs: 60_000 });
    expect(prod.bodies()).toEqual(["in time"]);
  });

  it.concurrent("is not taken when it comes late, and its sender is told [DEL-19]", async ({ onTestFinished }) => {
    const stage = await prepareStage(broker().url, onTestFinished);
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
});
