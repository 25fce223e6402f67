import { expect, it } from "vitest";
import { newId } from "../../protocol/ids.ts";
import { describeOnBrokers } from "../support/broker-suites.ts";
import { eventually } from "../support/eventually.ts";
import { envelopeBetween, prepareStage } from "./stage.ts";

const slow = { timeout: 40_000 };

describeOnBrokers("the order of messages, and how many are on their way", ({ broker }) => {
  it.concurrent("keeps no more than 64 on their way to one receiver [DEL-7] [DEL-18]", async ({ onTestFinished }) => {
    const stage = await prepareStage(broker(), onTestFinished);
    const raw = await stage.raw();
    const dev = await stage.create("dev");
    const part = { epoch: newId(), box: newId() };
    const life = { v: 1, state: "online", net: dev.peer.net, conn: 1, kind: "member", keepalive: 60_000, since: 1 };
    await raw.publish(stage.topic("mute", "presence"), { ...life, ...part }, { retain: true });
    await eventually(() => dev.peer.roster().length === 2);
    for (let index = 0; index < 70; index += 1) await dev.peer.send({ to: "mute", body: index, waitMs: 0 });
    const seqs = () => raw.messages(stage.topic("mute", "inbox")).map(({ text }) => JSON.parse(text).seq);
    // On a slow machine the first ones are repeated by now, so not their number counts.
    await eventually(() => new Set(seqs()).size === 64);
    expect(Math.max(...seqs())).toBe(64);
    expect(dev.peer.sent().filter(({ state }) => state === "queued")).toHaveLength(6);
    const ask = { v: 1, type: "missing", from: "mute", net: dev.peer.net, ...part };
    const before = raw.received.length;
    await raw.publish(stage.topic("dev", "control"), { ...ask, seqs: [7, 9, 500] });
    await eventually(() => {
      const again = raw.received.slice(before).filter(({ topic }) => topic === stage.topic("mute", "inbox"));
      expect(again.map(({ text }) => JSON.parse(text).seq)).toEqual(expect.arrayContaining([7, 9]));
    });
    const receipt = { v: 1, net: dev.peer.net, state: "received", from: "mute", at: 1, ...part };
    await raw.publish(stage.topic("dev", "receipts"), { ...receipt, id: dev.peer.sent()[0]?.id });
    const next = await raw.waitFor(({ text }) => text.includes('"seq":65,'));
    expect(JSON.parse(next.text).base).toBe(2);
  });

  it.concurrent("hazard 7: is put in order; what comes out of order waits, is asked for, and nothing below base is waited for [DEL-13] [DEL-14]", async ({
    onTestFinished,
  }) => {
    const stage = await prepareStage(broker(), onTestFinished);
    const raw = await stage.raw();
    const [dev, prod] = [await stage.create("dev"), await stage.join("prod")];
    const publish = (seq: number, base: number) =>
      raw.publish(stage.topic("prod", "inbox"), envelopeBetween(dev.peer, prod.peer, { seq, base, body: seq }));
    await publish(3, 1);
    const missing = await raw.waitFor(({ text }) => text.includes('"missing"'));
    expect(missing.topic).toBe(stage.topic("dev", "control"));
    expect(JSON.parse(missing.text)).toMatchObject({ box: prod.peer.box, seqs: [1, 2] });
    await publish(2, 1);
    await publish(5, 1);
    expect(prod.bodies()).toEqual([]);
    await publish(1, 1);
    await eventually(() => prod.bodies().length === 3);
    await publish(4, 1);
    await eventually(() => prod.bodies().length === 5);
    // 6 and 7 are settled at the sender: nobody waits for them.
    await publish(8, 8);
    await eventually(() => expect(prod.bodies()).toEqual([1, 2, 3, 4, 5, 8]));
    expect(prod.peer.inbox().some(({ late }) => late)).toBe(false);
  });

  it.concurrent(
    "hazard 7: after 10 s later ones pass a gap, and what then comes is late [DEL-15]",
    slow,
    async ({ onTestFinished }) => {
      const stage = await prepareStage(broker(), onTestFinished);
      const raw = await stage.raw();
      const [dev, prod] = [await stage.create("dev"), await stage.join("prod")];
      const publish = (seq: number, base: number) =>
        raw.publish(stage.topic("prod", "inbox"), envelopeBetween(dev.peer, prod.peer, { seq, base, body: seq }));
      await publish(1, 1);
      await publish(3, 1);
      await raw.waitFor(({ text }) => text.includes('"missing"'));
      const askedMs = performance.now();
      await publish(4, 1);
      await eventually(() => prod.bodies().length === 3, { timeoutMs: 15_000 });
      expect(performance.now() - askedMs).toBeGreaterThan(9_000);
      await publish(2, 1);
      await eventually(() => prod.bodies().length === 4);
      expect(prod.peer.inbox().map(({ body, late }) => [body, late])).toEqual([
        [1, false],
        [3, false],
        [4, false],
        [2, true],
      ]);
    },
  );

  it.concurrent(
    "hazard 7: keeps its order when the connections break again and again under traffic [DEL-4] [DEL-6] [DEL-14]",
    slow,
    async ({ onTestFinished }) => {
      const stage = await prepareStage(broker(), onTestFinished);
      const [near, far] = [await stage.proxy(), await stage.proxy()];
      const dev = await stage.create("dev");
      const one = await stage.join("one", { url: near.url, home: await stage.otherHome() });
      const two = await stage.join("two", { url: far.url, home: await stage.otherHome() });
      await eventually(() => one.peer.roster().length === 3);
      const total = 200;
      for (let index = 0; index < total; index += 1) {
        await one.peer.send({ to: "two", body: index, waitMs: 0 });
        if (index % 40 === 20) near.proxy.drop();
        if (index % 40 === 39) far.proxy.drop();
      }
      await eventually(() => two.bodies().length === total, { timeoutMs: 25_000 });
      expect(two.bodies()).toEqual(Array.from({ length: total }, (_, index) => index));
      expect(two.peer.inbox().some(({ late }) => late)).toBe(false);
      await eventually(() => one.peer.sent().every(({ state }) => state === "received"));
      expect(dev.peer.state).toBe("active");
    },
  );

  it.concurrent("is refused when too much waits [DEL-9]", async ({ onTestFinished }) => {
    const stage = await prepareStage(broker(), onTestFinished);
    const raw = await stage.raw();
    const dev = await stage.create("dev");
    const record = { v: 1, state: "lost", net: dev.peer.net, epoch: newId(), conn: 1, box: newId(), kind: "member" };
    await raw.publish(stage.topic("away", "presence"), { ...record, keepalive: 1_000, since: 1 }, { retain: true });
    await eventually(() => dev.peer.roster().length === 2);
    const body = "x".repeat(1_048_000);
    const states: string[] = [];
    for (let index = 0; index < 70; index += 1) {
      const [outcome] = await dev.peer.send({ to: "away", body, waitMs: 0 });
      states.push(outcome?.error?.code ?? outcome?.state ?? "");
    }
    expect(states.indexOf("outbox-full")).toBeGreaterThan(60);
    expect(states.slice(states.indexOf("outbox-full")).every((state) => state === "outbox-full")).toBe(true);
    expect((await dev.peer.send({ to: "away", body: "small", waitMs: 0 }))[0]?.state).toBe("queued");
  });

  it.concurrent("waits with its sender while the receiver's inbox is full [DEL-22] [DEL-5]", async ({
    onTestFinished,
  }) => {
    const stage = await prepareStage(broker(), onTestFinished);
    const raw = await stage.raw();
    const dev = await stage.create("dev");
    const prod = await stage.join("prod", { inboxLimits: { messages: 3, bytes: 1_000 } });
    await eventually(() => dev.peer.roster().length === 2);
    const bodies = ["one", "two", "three", "four", "five"];
    for (const body of bodies) await dev.peer.send({ to: "prod", body, waitMs: 300 });
    expect(prod.bodies()).toEqual(bodies.slice(0, 3));
    expect(dev.peer.sent().map(({ state }) => state)).toEqual(["received", "received", "received", "sent", "sent"]);
    await raw.publish(stage.topic("prod", "inbox"), "by hand");
    await prod.until(({ name, value }) => name === "rejected" && value.error.code === "inbox-full");
    expect(prod.count("trouble")).toBe(1);
    const [first, second] = prod.peer.inbox().map(({ id }) => id);
    prod.peer.markInjected([first ?? ""], "s");
    prod.peer.markAttention([second ?? ""], "cleared");
    await eventually(() => prod.bodies().length === 5, { timeoutMs: 20_000 });
    expect(prod.bodies()).toEqual(bodies);
    await eventually(() => dev.peer.sent().every(({ state }) => state === "received" || state === "injected"));
  });
});
