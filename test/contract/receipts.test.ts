import { expect, it } from "vitest";
import { newId } from "../../protocol/ids.ts";
import { describeOnBrokers } from "../support/broker-suites.ts";
import { eventually } from "../support/eventually.ts";
import { startFilterProxy } from "./filter-proxy.ts";
import { failureOf, isSent, prepareStage, receiptOf } from "./stage.ts";

const slow = { timeout: 40_000 };

describeOnBrokers("the receipts of a network", ({ broker }) => {
  it.concurrent("is received, injected, seen and replied, each with a receipt [DEL-3] [RCPT-1] [ENV-2] [SESS-4]", async ({
    onTestFinished,
  }) => {
    const stage = await prepareStage(broker(), onTestFinished);
    const raw = await stage.raw();
    const dev = await stage.create("dev");
    const prod = await stage.join("prod");
    const [outcome] = await dev.peer.send({ to: "prod", body: { question: "can you review?" }, type: "query" });
    expect(outcome).toMatchObject({ to: "prod", state: "received" });
    const id = outcome?.id ?? "";
    const wire = JSON.parse((await raw.waitFor(stage.topic("prod", "inbox"), { after: 0 })).text);
    expect(wire.type).toBe("probe");
    const envelope = JSON.parse((await raw.waitFor(({ text }) => text.includes("can you review"))).text);
    expect(envelope).toMatchObject({
      ...{ v: 1, id, net: dev.peer.net, from: "dev", fromEpoch: dev.peer.epoch, fromBox: dev.peer.box },
      ...{ to: "prod", toEpoch: prod.peer.epoch, toBox: prod.peer.box, re: null, type: "query", seq: 1, base: 1 },
      ...{ trace: id, hops: 0 },
    });
    expect(prod.peer.inbox()).toMatchObject([{ id, from: "dev", verified: true, late: false, state: "unread" }]);
    prod.peer.markInjected([id], "session-1");
    await dev.until(isSent(id, "injected"));
    prod.peer.markSeen([id]);
    await dev.until(isSent(id, "seen"));
    await prod.peer.send({ to: "dev", body: "done", re: id });
    await dev.until(isSent(id, "replied"));
    await raw.waitFor(receiptOf(id, "replied"));
    const topics = new Set(raw.messages(receiptOf(id)).map(({ topic }) => topic));
    expect([...topics]).toEqual([stage.topic("dev", "receipts")]);
    expect(dev.peer.inbox()).toMatchObject([{ re: id, body: "done" }]);
    // Nothing but messages came into the inbox.
    expect(prod.bodies()).toHaveLength(1);
  });

  it.concurrent("is replied only when its sender was answered, not where others were told of it [DEL-16]", async ({
    onTestFinished,
  }) => {
    const stage = await prepareStage(broker(), onTestFinished);
    const dev = await stage.create("dev");
    const [prod, third] = [await stage.join("prod"), await stage.join("third")];
    const [question] = await dev.peer.send({ to: "prod", body: "which version?" });
    // Names written in several ways are one receiver.
    const told = await prod.peer.send({ to: ["third", "Third", "THIRD "], body: "dev asks", re: question?.id ?? "" });
    expect(told).toMatchObject([{ to: "third", state: "received" }]);
    expect(third.bodies()).toEqual(["dev asks"]);
    expect(prod.peer.inbox()).toMatchObject([{ state: "unread" }]);
    await prod.peer.send({ to: ["third", "dev"], body: "1.2.3", re: question?.id ?? "" });
    await dev.until(isSent(question?.id, "replied"));
  });

  it.concurrent("goes to several as one message each; refuses oneself and strangers [DEL-16] [DEL-17]", async ({
    onTestFinished,
  }) => {
    const stage = await prepareStage(broker(), onTestFinished);
    const dev = await stage.create("dev");
    const [prod, third] = [await stage.join("prod"), await stage.join("third")];
    await eventually(() => dev.peer.roster().length === 3);
    const all = await dev.peer.send({ to: "all", body: "hello all" });
    expect(all.map(({ to, state }) => [to, state]).sort()).toEqual([
      ["prod", "received"],
      ["third", "received"],
    ]);
    expect(new Set(all.map(({ id }) => id)).size).toBe(2);
    const mixed = await dev.peer.send({ to: ["prod", "dev", "nobody"], body: "hello" });
    expect(mixed.map(({ state, error }) => [state, error?.code])).toEqual([
      ["received", undefined],
      ["refused", "self-target"],
      ["refused", "unknown-peer"],
    ]);
    expect(mixed[2]?.reason).toContain("prod, third");
    expect(prod.bodies()).toEqual(["hello all", "hello"]);
    expect(third.bodies()).toEqual(["hello all"]);
    expect((await failureOf(dev.peer.send({ to: "prod", body: "x".repeat(1_048_577) }))).code).toBe("too-big");
    const [big] = await dev.peer.send({ to: "prod", body: "x".repeat(1_048_576) });
    expect(big?.state).toBe("received");
  });

  it.concurrent("hazard 10: a retained message is dropped on every topic of a peer, at every subscription [INBOX-3] [INBOX-4]", async ({
    onTestFinished,
  }) => {
    const stage = await prepareStage(broker(), onTestFinished);
    const raw = await stage.raw();
    const { proxy, url } = await stage.proxy();
    const dev = await stage.create("dev");
    for (const channel of ["inbox", "receipts", "control"]) {
      await raw.publish(stage.topic("prod", channel), { v: 1, body: "old" }, { retain: true });
    }
    const prod = await stage.join("prod", { url });
    const early = prod.peer.status().rejected["bad-payload"] ?? 0;
    expect(early).toBeGreaterThanOrEqual(3);
    proxy.drop();
    await eventually(() => prod.count("rejected") >= 3);
    expect(prod.bodies()).toEqual([]);
    for (const channel of ["inbox", "receipts", "control"]) {
      await raw.publish(stage.topic("prod", channel), "", { retain: true });
    }
    const rejected = prod.count("rejected");
    await dev.peer.send({ to: "prod", body: "hello" });
    expect(prod.bodies()).toEqual(["hello"]);
    expect(prod.count("rejected")).toBe(rejected);
  });

  it.concurrent("hazard 10: presence, receipts and control of another instance mean nothing [PRES-6] [RCPT-2] [CTRL-2] [CTRL-1]", async ({
    onTestFinished,
  }) => {
    const stage = await prepareStage(broker(), onTestFinished);
    const raw = await stage.raw();
    const dev = await stage.create("dev");
    const prod = await stage.process();
    const { epoch } = await prod.join(stage.processOptions("prod", { keepaliveMs: 30_000 }));
    prod.freeze();
    const [outcome] = await dev.peer.send({ to: "prod", body: "hi", waitMs: 200 });
    const { box } = dev.peer.roster().find(({ name }) => name === "prod")?.presence ?? {};
    const receipt = { v: 1, id: outcome?.id, state: "seen", from: "prod", epoch, box, at: 1, net: newId() };
    await raw.publish(stage.topic("dev", "receipts"), receipt);
    await dev.until("rejected");
    const ping = { v: 1, type: "ping", from: "ci", epoch: "x" };
    await raw.publish(stage.topic("dev", "control"), { ...ping, id: "other", net: newId() });
    await raw.publish(stage.topic("dev", "control"), { ...ping, id: "mine", net: dev.peer.net });
    await raw.publish(stage.topic("dev", "control"), { ...ping, id: "whatever", net: null });
    await raw.waitFor(({ topic, text }) => topic === stage.topic("ci", "control") && text.includes('"whatever"'));
    const pongs = raw.messages(stage.topic("ci", "control")).map(({ text }) => JSON.parse(text));
    expect(pongs.map(({ re }) => re)).toEqual(["mine", "whatever"]);
    expect(dev.peer.sent().at(-1)?.state).toBe("sent");
  });

  it.concurrent("hazard 11: duplicates are dropped, and answered with the state reached [DEL-4] [RCPT-3] [RCPT-4]", async ({
    onTestFinished,
  }) => {
    const stage = await prepareStage(broker(), onTestFinished);
    const raw = await stage.raw();
    const [dev, prod] = [await stage.create("dev"), await stage.join("prod")];
    const [outcome] = await dev.peer.send({ to: "prod", body: "once" });
    const id = outcome?.id ?? "";
    const wire = (await raw.waitFor(({ topic, text }) => topic.endsWith("/inbox") && text.includes('"once"'))).text;
    prod.peer.markInjected([id], "s");
    prod.peer.markSeen([id]);
    await dev.until(isSent(id, "seen"));
    await raw.waitFor(receiptOf(id, "seen"));
    const before = raw.received.length;
    for (let copies = 1; copies <= 5; copies += 1) {
      // Copies that arrive together may be answered once: the next one waits for the answer to this one.
      await raw.publish(stage.topic("prod", "inbox"), wire);
      await eventually(() => {
        const answers = raw.received.slice(before).filter(receiptOf(id));
        expect(answers.map(({ text }) => JSON.parse(text).state)).toEqual(Array(copies).fill("seen"));
      });
    }
    expect(prod.bodies()).toEqual(["once"]);
    // A late receipt of an earlier state changes nothing.
    const late = { v: 1, net: dev.peer.net, id, state: "received", from: "prod", epoch: prod.peer.epoch };
    await raw.publish(stage.topic("dev", "receipts"), { ...late, box: prod.peer.box, at: 1 });
    await dev.peer.send({ to: "prod", body: "next" });
    expect(dev.peer.sent()[0]?.state).toBe("seen");
  });

  it.concurrent(
    "hazard 11: a lost receipt is repaired by the next copy, and ends the repeating [DEL-5] [RCPT-4]",
    slow,
    async ({ onTestFinished }) => {
      const stage = await prepareStage(broker(), onTestFinished);
      const raw = await stage.raw();
      let lost = 0;
      const port = await startFilterProxy(Number(new URL(broker().url).port), ({ topic }) => {
        if (topic !== stage.topic("dev", "receipts") || !losing) return false;
        lost += 1;
        return true;
      });
      let losing = false;
      const dev = await stage.create("dev", { url: `mqtt://127.0.0.1:${port}` });
      const prod = await stage.join("prod");
      losing = true;
      const inbox = () =>
        raw.messages(({ topic, text }) => topic === stage.topic("prod", "inbox") && text.includes('"hi"'));
      const sending = dev.peer.send({ to: "prod", body: "hi", waitMs: 20_000 });
      await eventually(() => lost === 1);
      expect(dev.peer.sent()[0]?.state).toBe("sent");
      losing = false;
      expect((await sending)[0]?.state).toBe("received");
      expect(inbox()).toHaveLength(2);
      expect(prod.bodies()).toEqual(["hi"]);
      await dev.peer.send({ to: "prod", body: "next" });
      expect(inbox()).toHaveLength(2);
    },
  );

  it.concurrent(
    "hazard 11: what is not received is repeated with growing pauses, and not to who is away [DEL-5] [DEL-6]",
    slow,
    async ({ onTestFinished }) => {
      const stage = await prepareStage(broker(), onTestFinished);
      const raw = await stage.raw();
      const dev = await stage.create("dev");
      // A peer by hand that never answers.
      const part = { name: "mute", epoch: newId(), box: newId() };
      const life = { v: 1, net: dev.peer.net, epoch: part.epoch, conn: 1, box: part.box, kind: "member" };
      const record = { ...life, keepalive: 60_000, since: 1 };
      await raw.publish(stage.topic("mute", "presence"), { ...record, state: "online" }, { retain: true });
      await eventually(() => dev.peer.roster().length === 2);
      const [outcome] = await dev.peer.send({ to: "mute", body: "hi", waitMs: 100 });
      await dev.until(isSent(outcome?.id, "sent"));
      const copies = () => raw.messages(stage.topic("mute", "inbox"));
      await eventually(() => copies().length === 3, { timeoutMs: 15_000 });
      const [first = 0, second = 0, third = 0] = copies().map(({ atMs }) => atMs);
      expect(second - first).toBeGreaterThan(1_500);
      expect(third - second).toBeGreaterThan(3_100);
      await raw.publish(stage.topic("mute", "presence"), { ...record, state: "lost" }, { retain: true });
      await dev.until("lost");
      const [queued] = await dev.peer.send({ to: "mute", body: "later", waitMs: 100 });
      expect(queued?.state).toBe("queued");
      expect(copies()).toHaveLength(3);
      await raw.publish(stage.topic("mute", "presence"), { ...record, state: "online", conn: 2 }, { retain: true });
      await eventually(() => copies().length === 5);
      expect(copies().map(({ text }) => JSON.parse(text).seq)).toEqual([1, 1, 1, 1, 2]);
      expect(JSON.parse(copies().at(-1)?.text ?? "").base).toBe(1);
    },
  );
});
