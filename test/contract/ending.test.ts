import { expect, it } from "vitest";
import { newEpoch } from "../../protocol/ids.ts";
import { describeOnBrokers } from "../support/broker-suites.ts";
import { eventually } from "../support/eventually.ts";
import { failureOf, isSent, prepareStage } from "./stage.ts";

const slow = { timeout: 40_000 };

describeOnBrokers("the end of a network", ({ broker }) => {
  it.concurrent("closes at once when the host's process was killed on the same machine [END-1] [END-6] [END-10] [PRES-17]", async ({
    onTestFinished,
  }) => {
    const stage = await prepareStage(broker(), onTestFinished);
    const raw = await stage.raw();
    const dev = await stage.process();
    await dev.create(stage.processOptions("dev"));
    const prod = await stage.join("prod");
    const killedMs = performance.now();
    await dev.kill();
    await prod.until("closed");
    expect(performance.now() - killedMs).toBeLessThan(10_000);
    expect(prod.peer.state).toBe("closed");
    expect((await failureOf(prod.peer.send({ to: "dev", body: "hi" }))).code).toBe("network-closed");
    await prod.peer.leave();
    // The mark is there for who was away, and neither record is left.
    const late = await stage.raw();
    expect(JSON.parse((await late.waitFor(stage.topic("_all", "presence"))).text)).toMatchObject({ by: "prod" });
    await raw.waitFor(({ topic, text }) => topic === stage.topic("dev", "presence") && text === "");
    await raw.waitFor(({ topic, text }) => topic === stage.topic("prod", "presence") && text === "");
    expect((await failureOf(stage.join("third"))).code).toBe("network-not-found");
  });

  it.concurrent("suspends when the host of another machine is killed, then closes after the closing time [END-1] [END-3] [END-7] [END-10]", async ({
    onTestFinished,
  }) => {
    const stage = await prepareStage(broker(), onTestFinished);
    const raw = await stage.raw();
    const dev = await stage.process();
    const { net } = await dev.create(stage.processOptions("dev", { home: await stage.otherHome() }));
    const prod = await stage.join("prod", { closingMs: 2_000 });
    const third = await stage.join("third", { closingMs: 2_000 });
    await dev.kill();
    await prod.until("suspended");
    const suspendedMs = performance.now();
    expect(prod.peer.state).toBe("suspended");
    expect((await failureOf(prod.peer.send({ to: "third", body: "hi" }))).code).toBe("network-suspended");
    expect((await failureOf(stage.join("late"))).code).toBe("network-suspended");
    await Promise.all([prod.until("closed"), third.until("closed")]);
    expect(performance.now() - suspendedMs).toBeGreaterThan(1_500);
    const mark = await raw.waitFor(({ topic, text }) => topic === stage.topic("_all", "presence") && text !== "");
    expect(JSON.parse(mark.text)).toMatchObject({ state: "closed", net });
    expect(raw.messages(stage.topic("third", "inbox")).filter(({ text }) => text.includes('"hi"'))).toEqual([]);
  });

  it.concurrent("ends what waits as expired when it closes, the host's own as well [END-10]", async ({
    onTestFinished,
  }) => {
    const stage = await prepareStage(broker(), onTestFinished);
    const dev = await stage.create("dev");
    const prod = await stage.process();
    await prod.join(stage.processOptions("prod", { home: await stage.otherHome() }));
    await prod.kill();
    await dev.until("lost");
    const [outcome] = await dev.peer.send({ to: "prod", body: "hi" });
    expect(outcome?.state).toBe("queued");
    const third = await stage.join("third");
    const [waiting] = await third.peer.send({ to: "prod", body: "hi" });
    expect(waiting?.state).toBe("queued");
    await dev.peer.leave();
    await dev.until(isSent(outcome?.id, "expired"));
    await third.until(isSent(waiting?.id, "expired"));
    await third.until("closed");
  });

  it.concurrent("ends as expired what waited when its sender died, and tells it in the next instance [DEL-11]", async ({
    onTestFinished,
  }) => {
    const stage = await prepareStage(broker(), onTestFinished);
    const dev = await stage.create("dev");
    const third = await stage.process();
    await third.join(stage.processOptions("third", { home: await stage.otherHome() }));
    await third.kill();
    await dev.until("lost");
    const prod = await stage.process();
    const options = stage.processOptions("prod");
    await prod.join(options);
    const [waiting] = await prod.send({ to: "third", body: "hi" });
    expect(waiting?.state).toBe("queued");
    await prod.kill();
    await dev.peer.leave();
    await stage.create("dev");
    const again = await stage.process();
    await again.join(options);
    const told = await again.until("sent");
    expect(told.args[0]).toMatchObject({ id: waiting?.id, to: "third", state: "expired" });
    expect(await again.sent()).toEqual([]);
  });

  it.concurrent("suspends when the host's connection is cut, and resumes with the same epoch when it heals [END-1] [END-4] [PRES-2] [PRES-3] [MQTT-7]", async ({
    onTestFinished,
  }) => {
    const stage = await prepareStage(broker(), onTestFinished);
    const { proxy, url } = await stage.proxy();
    const raw = await stage.raw();
    const dev = await stage.create("dev", { url });
    const prod = await stage.join("prod", { home: await stage.otherHome() });
    for (let round = 1; round <= 3; round += 1) {
      proxy.cut();
      await eventually(() => prod.count("suspended") === round);
      proxy.heal();
      await eventually(() => prod.count("resumed") === round);
    }
    expect(prod.peer.state).toBe("active");
    const births = raw.messages(stage.topic("dev", "presence")).map(({ text }) => JSON.parse(text));
    expect(new Set(births.map(({ epoch }) => epoch))).toEqual(new Set([dev.peer.epoch]));
    const conns = births.filter(({ state }) => state === "online").map(({ conn }) => conn);
    expect(conns).toEqual([...conns].sort((a, b) => a - b));
    expect(conns.at(-1)).toBeGreaterThan(3);
    const [outcome] = await prod.peer.send({ to: "dev", body: "are you back?" });
    expect(outcome?.state).toBe("received");
  });

  it.concurrent(
    "hazard 2: a host that is frozen for a while is not replaced, only not joined [LIFE-8] [PRES-16]",
    slow,
    async ({ onTestFinished }) => {
      const stage = await prepareStage(broker(), onTestFinished);
      const dev = await stage.process();
      // With a keepalive of 10 s the broker notices nothing.
      const { net } = await dev.create(stage.processOptions("dev", { keepaliveMs: 10_000 }));
      const prod = await stage.join("prod");
      dev.freeze();
      const askedMs = performance.now();
      const giveUp = new AbortController();
      const waited: string[] = [];
      const creating = failureOf(
        stage.create("rival", { signal: giveUp.signal, onWaiting: (reason) => waited.push(reason) }),
      );
      const failure = await failureOf(stage.join("third"));
      expect(failure).toMatchObject({ code: "host-silent", message: expect.stringContaining('"dev"') });
      expect(performance.now() - askedMs).toBeGreaterThan(2_900);
      await eventually(() => expect(waited.join()).toContain('"dev"'));
      dev.thaw();
      // The rival asks again, and is told who is host.
      expect(await creating).toMatchObject({ code: "network-exists", message: expect.stringContaining('"dev"') });
      expect(prod.peer.state).toBe("active");
      expect(prod.count("suspended")).toBe(0);
      expect((await stage.join("third")).peer.net).toBe(net);
    },
  );

  it.concurrent(
    "hazard 2: a frozen host whose keepalive ran out is suspended, and resumes when it goes on [END-1] [END-4]",
    slow,
    async ({ onTestFinished }) => {
      const stage = await prepareStage(broker(), onTestFinished);
      const dev = await stage.process();
      await dev.create(stage.processOptions("dev"));
      const prod = await stage.join("prod", { closingMs: 60_000 });
      dev.freeze();
      await prod.until("suspended", 15_000);
      expect((await failureOf(prod.peer.send({ to: "dev", body: "hi" }))).code).toBe("network-suspended");
      dev.thaw();
      await prod.until("resumed", 15_000);
      const [outcome] = await prod.peer.send({ to: "dev", body: "hi" });
      expect(outcome?.state).toBe("received");
    },
  );

  it.concurrent(
    "a network whose host was killed on another machine is free when its record is a ghost's [PRES-16] [PRES-18]",
    slow,
    async ({ onTestFinished }) => {
      const stage = await prepareStage(broker(), onTestFinished);
      const raw = await stage.raw();
      const dev = await stage.process();
      await dev.create(stage.processOptions("dev", { home: await stage.otherHome() }));
      await dev.kill();
      await raw.waitFor(({ topic, text }) => topic === stage.topic("dev", "presence") && text.includes('"lost"'));
      const askedMs = performance.now();
      const next = await stage.create("next", { closingMs: 4_000 });
      expect(performance.now() - askedMs).toBeGreaterThan(3_900);
      expect(next.peer.roster().map(({ name }) => name)).toEqual(["next"]);
      await raw.waitFor(({ topic, text }) => topic === stage.topic("dev", "presence") && text === "");
    },
  );

  it.concurrent("a network whose host was killed on this machine is free at once [PRES-17]", async ({
    onTestFinished,
  }) => {
    const stage = await prepareStage(broker(), onTestFinished);
    const dev = await stage.process();
    await dev.create(stage.processOptions("dev"));
    await dev.kill();
    const askedMs = performance.now();
    const next = await stage.create("next");
    expect(performance.now() - askedMs).toBeLessThan(3_500);
    expect((await stage.join("prod")).peer.net).toBe(next.peer.net);
  });

  // Hazard 6, everybody's own timer.
  it.concurrent(
    "hazard 6: the closing time runs only while the member is connected; who was cut off learns the verdict [END-5] [END-7]",
    slow,
    async ({ onTestFinished }) => {
      const stage = await prepareStage(broker(), onTestFinished);
      const { proxy, url } = await stage.proxy();
      const dev = await stage.process();
      await dev.create(stage.processOptions("dev", { home: await stage.otherHome() }));
      const there = await stage.join("there", { closingMs: 2_500 });
      const away = await stage.join("away", { closingMs: 2_500, url });
      await dev.kill();
      await Promise.all([there.until("suspended"), away.until("suspended")]);
      proxy.cut();
      await away.until("disconnected");
      await there.until("closed");
      expect(away.peer.state).toBe("suspended");
      proxy.heal();
      await away.until("closed");
      expect(away.told.find(({ name }) => name === "closed")?.value).toMatchObject({
        reason: expect.stringContaining('"there"'),
      });
    },
  );

  it.concurrent(
    "hazard 6: a host that returns after the mark is closed too [END-5]",
    slow,
    async ({ onTestFinished }) => {
      const stage = await prepareStage(broker(), onTestFinished);
      const { proxy, url } = await stage.proxy();
      const dev = await stage.create("dev", { url, home: await stage.otherHome() });
      const prod = await stage.join("prod", { closingMs: 1_000 });
      proxy.cut();
      await prod.until("closed");
      await prod.peer.leave();
      proxy.heal();
      await dev.until("closed");
      expect(dev.peer.state).toBe("closed");
    },
  );

  it.concurrent(
    "hazard 6: one verdict: a member that was cut off does not resume with a host that the others have given up [END-5] [PRES-6]",
    slow,
    async ({ onTestFinished }) => {
      const stage = await prepareStage(broker(), onTestFinished);
      const [first, second] = [await stage.proxy(), await stage.proxy()];
      const dev = await stage.create("dev", { url: first.url, home: await stage.otherHome() });
      const there = await stage.join("there", { closingMs: 1_000 });
      const away = await stage.join("away", { closingMs: 60_000, url: second.url });
      first.proxy.cut();
      await away.until("suspended");
      second.proxy.cut();
      await there.until("closed");
      first.proxy.heal();
      second.proxy.heal();
      await Promise.all([dev.until("closed"), away.until("closed")]);
    },
  );

  it.concurrent(
    "hazard 6: who cannot tell the broker that the closing time is over does not close, and resumes with the host [END-4] [END-7]",
    slow,
    async ({ onTestFinished }) => {
      const stage = await prepareStage(broker(), onTestFinished);
      const [first, second] = [await stage.proxy(), await stage.proxy()];
      const dev = await stage.create("dev", { url: first.url });
      const keepaliveMs = 3_000;
      const prod = await stage.join("prod", { url: second.url, closingMs: 1_000, keepaliveMs });
      const there = await stage.join("there");
      first.proxy.cut();
      await prod.until("suspended");
      // From here on prod believes that it is connected, and nothing that it says is heard.
      second.proxy.blackhole();
      await there.until("suspended");
      first.proxy.heal();
      await there.until("resumed");
      await prod.until("disconnected", 20_000);
      second.proxy.heal();
      await prod.until("resumed");
      expect([prod.count("closed"), prod.peer.state, dev.peer.state]).toEqual([0, "active", "active"]);
    },
  );

  it.concurrent("a mark of another instance closes nothing [PRES-6]", async ({ onTestFinished }) => {
    const stage = await prepareStage(broker(), onTestFinished);
    const raw = await stage.raw();
    const dev = await stage.create("dev");
    const prod = await stage.join("prod");
    const mark = { v: 1, state: "closed", net: newEpoch(), by: "ghost", at: 1 };
    await raw.publish(stage.topic("_all", "presence"), mark, { retain: true });
    const [outcome] = await prod.peer.send({ to: "dev", body: "still here?" });
    expect(outcome?.state).toBe("received");
    expect([dev.peer.state, prod.peer.state]).toEqual(["active", "active"]);
  });

  it.concurrent(
    "a new instance under the host's name closes the network of a member that missed it [END-9]",
    slow,
    async ({ onTestFinished }) => {
      const stage = await prepareStage(broker(), onTestFinished);
      const { proxy, url } = await stage.proxy();
      const dev = await stage.create("dev");
      const prod = await stage.join("prod", { url });
      proxy.cut();
      await prod.until("disconnected");
      await dev.peer.leave();
      const again = await stage.create("dev");
      expect(again.peer.net).not.toBe(dev.peer.net);
      proxy.heal();
      await prod.until("closed");
    },
  );

  it.concurrent("the loss and the leaving of a member leave the network as it is [END-11]", async ({
    onTestFinished,
  }) => {
    const stage = await prepareStage(broker(), onTestFinished);
    const dev = await stage.create("dev");
    const prod = await stage.join("prod");
    const lost = await stage.process();
    await lost.join(stage.processOptions("third"));
    await lost.kill();
    for (const player of [dev, prod])
      await player.until(({ name, value }) => name === "lost" && value.name === "third");
    const fourth = await stage.join("fourth");
    await fourth.peer.leave();
    for (const player of [dev, prod]) {
      await player.until(({ name, value }) => name === "departed" && value.name === "fourth");
      expect(player.peer.state).toBe("active");
      expect(player.count("suspended")).toBe(0);
    }
  });
});
