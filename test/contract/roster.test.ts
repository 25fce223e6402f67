import { expect, it } from "vitest";
import { newBox, newEpoch } from "../../protocol/ids.ts";
import { decodePresence } from "../../protocol/presence.ts";
import { describeOnBrokers } from "../support/broker-suites.ts";
import { eventually } from "../support/eventually.ts";
import { rawMqtt } from "../support/raw-mqtt.ts";
import type { Player } from "./stage.ts";
import { prepareStage } from "./stage.ts";

const slow = { timeout: 40_000 };
const namesOf = (player: Player) => player.peer.roster().map(({ name }) => name);
const stateOf = (player: Player, name: string) => player.peer.roster().find((entry) => entry.name === name)?.state;

describeOnBrokers("the roster", ({ broker }) => {
  it.concurrent("hazard 4: a late will of an earlier connection is ignored, one of the held connection is believed [PRES-7] [PRES-8]", async ({
    onTestFinished,
  }) => {
    const stage = await prepareStage(broker(), onTestFinished);
    const { proxy, url } = await stage.proxy();
    const raw = await stage.raw();
    const dev = await stage.create("dev");
    const prod = await stage.join("prod", { url, home: await stage.otherHome() });
    await eventually(() => stateOf(dev, "prod") === "online");
    proxy.drop();
    await dev.until(({ name, value }) => name === "returned" && value.presence.conn > 1);
    const held = dev.peer.roster().find(({ name }) => name === "prod")?.presence;
    const lostBefore = dev.count("lost");
    const before = raw.received.length;
    await raw.publish(stage.topic("prod", "presence"), { ...held, state: "lost", conn: 1 }, { retain: true });
    // The peer repairs its record, so the roster shows it all the time.
    await raw.waitFor(({ text, topic }) => topic === stage.topic("prod", "presence") && text.includes('"online"'), {
      after: before,
    });
    // What comes later has come, so the forged one has.
    await raw.publish(stage.topic("dev", "inbox"), "mark");
    await dev.until("message");
    expect(dev.count("lost")).toBe(lostBefore);
    expect(stateOf(dev, "prod")).toBe("online");
    await raw.publish(stage.topic("prod", "presence"), { ...held, state: "lost", conn: held?.conn }, { retain: true });
    await eventually(() => dev.count("lost") === lostBefore + 1);
    await eventually(() => stateOf(dev, "prod") === "online");
    expect(prod.peer.state).toBe("active");
  });

  it.concurrent("hazard 4: a member that was cut off believes the lost of a life that it never saw [PRES-8] [PRES-9]", async ({
    onTestFinished,
  }) => {
    const stage = await prepareStage(broker(), onTestFinished);
    const { proxy, url } = await stage.proxy();
    await stage.create("dev");
    const home = await stage.otherHome();
    const away = await stage.join("away", { url });
    const first = await stage.process();
    const { epoch } = await first.join(stage.processOptions("prod", { home }));
    await eventually(() => stateOf(away, "prod") === "online");
    proxy.cut();
    await away.until("disconnected");
    await first.leave();
    await first.kill();
    const second = await stage.process();
    const later = await second.join(stage.processOptions("prod", { home }));
    await second.kill();
    proxy.heal();
    await eventually(() => {
      const held = away.peer.roster().find(({ name }) => name === "prod");
      expect(held).toMatchObject({ state: "lost", presence: { epoch: later.epoch } });
    });
    expect(later.epoch).not.toBe(epoch);
  });

  it.concurrent("hazard 4: a lost of a life that was superseded is ignored, and an empty record without left too [PRES-7] [PRES-9] [PRES-10]", async ({
    onTestFinished,
  }) => {
    const stage = await prepareStage(broker(), onTestFinished);
    const raw = await stage.raw();
    const dev = await stage.create("dev");
    const life = (epoch: string, part: object) => ({
      ...{ v: 1, state: "online", net: dev.peer.net, epoch, conn: 1, box: newBox(), kind: "member" },
      ...{ keepalive: 60_000, since: 1, ...part },
    });
    const topic = stage.topic("ci", "presence");
    const [first, second] = [newEpoch(), newEpoch()];
    await raw.publish(topic, life(first, {}), { retain: true });
    await eventually(() => stateOf(dev, "ci") === "online");
    await raw.publish(topic, life(first, { state: "lost" }), { retain: true });
    await raw.publish(topic, life(second, {}), { retain: true });
    await raw.publish(topic, life(first, { state: "lost", conn: 9 }), { retain: true });
    await raw.publish(topic, "", { retain: true });
    await raw.publish(stage.topic("end", "presence"), life(newEpoch(), {}), { retain: true });
    await eventually(() => namesOf(dev).includes("end"));
    const held = dev.peer.roster().find(({ name }) => name === "ci");
    expect(held).toMatchObject({ state: "online", presence: { epoch: second } });
    await raw.publish(topic, life(second, { state: "left" }), { retain: true });
    await raw.publish(topic, "", { retain: true });
    await eventually(() => !namesOf(dev).includes("ci"));
  });

  it.concurrent(
    "hazard 5: what left while a member was cut off is dropped after 5 s, who joined is there at once [PRES-11]",
    slow,
    async ({ onTestFinished }) => {
      const stage = await prepareStage(broker(), onTestFinished);
      const { proxy, url } = await stage.proxy();
      const raw = await stage.raw();
      const dev = await stage.create("dev");
      const away = await stage.join("away", { url });
      // With a keepalive of which no silence is proof within the time of this test.
      const prod = await stage.join("prod", { keepaliveMs: 30_000 });
      await eventually(() => namesOf(away).includes("prod"));
      proxy.cut();
      await away.until("disconnected");
      await prod.peer.leave();
      // Without its session there is no queue either that would tell of the leaving.
      await (await rawMqtt(broker().url, { clientId: `pl-${away.peer.box}`, clean: true })).close();
      await stage.join("third");
      const before = raw.received.length;
      proxy.heal();
      await away.until("connected");
      await eventually(() => namesOf(away).includes("third"));
      await raw.waitFor(({ topic, text }) => topic === stage.topic("dev", "control") && text.includes('"ping"'), {
        after: before,
      });
      await eventually(() => expect(namesOf(away)).toEqual(["dev", "away", "third"]), { timeoutMs: 10_000 });
      expect(away.count("suspended")).toBe(0);
      expect(namesOf(dev)).toEqual(["dev", "away", "third"]);
    },
  );

  it.concurrent(
    "hazard 5: a host whose record was cleared meanwhile is missed, and suspended [END-2] [PRES-11]",
    slow,
    async ({ onTestFinished }) => {
      const stage = await prepareStage(broker(), onTestFinished);
      const [near, far] = [await stage.proxy(), await stage.proxy()];
      const raw = await stage.raw();
      await stage.create("dev", { url: far.url, home: await stage.otherHome() });
      const prod = await stage.join("prod", { url: near.url });
      far.proxy.blackhole();
      near.proxy.cut();
      await prod.until("disconnected");
      await raw.waitFor(({ topic, text }) => topic === stage.topic("dev", "presence") && text.includes('"lost"'), {
        timeoutMs: 10_000,
      });
      await raw.publish(stage.topic("dev", "presence"), "", { retain: true });
      near.proxy.heal();
      await prod.until("suspended", 10_000);
      far.proxy.heal();
      await prod.until("resumed", 10_000);
    },
  );

  it.concurrent(
    "hazard 8: two lives on one record do not fight: few births in 3 s, and the one without the grant stops [PRES-13] [PRES-14] [PRES-15] [CTRL-5]",
    slow,
    async ({ onTestFinished }) => {
      const stage = await prepareStage(broker(), onTestFinished);
      const raw = await stage.raw();
      await stage.create("dev");
      const first = await stage.process();
      const { proxy, url } = await stage.proxy();
      await first.join(stage.processOptions("prod", { url, home: await stage.otherHome() }));
      // Cut off for so long that the host takes it for a ghost, and grants its name to another box.
      proxy.cut();
      await raw.waitFor(({ topic, text }) => topic === stage.topic("prod", "presence") && text.includes('"lost"'));
      const record = raw.messages(stage.topic("prod", "presence")).at(-1);
      await raw.publish(
        stage.topic("prod", "presence"),
        { ...JSON.parse(record?.text ?? ""), state: "left" },
        {
          retain: true,
        },
      );
      await raw.publish(stage.topic("prod", "presence"), "", { retain: true });
      const second = await eventually(() => stage.join("prod", { home: stage.home }), { everyMs: 100 });
      const before = raw.received.length;
      proxy.heal();
      await first.until("displaced");
      const births = raw.received.slice(before).filter(({ topic }) => topic === stage.topic("prod", "presence"));
      expect(births.length).toBeLessThan(8);
      await eventually(() => {
        const last = raw.messages(stage.topic("prod", "presence")).at(-1);
        expect(JSON.parse(last?.text ?? "{}")).toMatchObject({ state: "online", epoch: second.peer.epoch });
      });
      const granted = raw.messages(({ text }) => text.includes('"granted"'));
      expect(granted.length).toBeGreaterThan(0);
      expect(granted.every(({ text }) => JSON.parse(text).from === "dev")).toBe(true);
      expect(second.peer.state).toBe("active");
      expect(second.count("displaced")).toBe(0);
    },
  );

  it.concurrent(
    "hazard 8: a record that somebody overwrites again and again is repaired, but not more than once a second [PRES-13] [PRES-14]",
    slow,
    async ({ onTestFinished }) => {
      const stage = await prepareStage(broker(), onTestFinished);
      const raw = await stage.raw();
      const dev = await stage.create("dev");
      const prod = await stage.join("prod");
      const topic = stage.topic("prod", "presence");
      const record = decodePresence((await raw.waitFor(topic)).payload);
      const before = raw.received.length;
      const birthsOf = () =>
        raw.received.slice(before).filter(({ topic: at, text }) => at === topic && text.includes(prod.peer.epoch))
          .length;
      const untilMs = performance.now() + 3_000;
      let overwritten = 0;
      await eventually(async () => {
        overwritten += 1;
        const forged = overwritten % 2 === 0 ? "" : { ...record, epoch: newEpoch(), box: newBox() };
        await raw.publish(topic, forged, { retain: true });
        return performance.now() > untilMs;
      });
      expect(overwritten).toBeGreaterThan(20);
      expect(birthsOf()).toBeLessThan(8);
      await eventually(() => {
        const last = raw.messages(topic).at(-1);
        expect(JSON.parse(last?.text || "{}")).toMatchObject({ state: "online", epoch: prod.peer.epoch });
      });
      expect([dev.peer.state, prod.peer.state]).toEqual(["active", "active"]);
      expect(prod.count("displaced")).toBe(0);
    },
  );

  it.concurrent("hazard 8: without the host's word nothing is repaired [PRES-14]", slow, async ({ onTestFinished }) => {
    const stage = await prepareStage(broker(), onTestFinished);
    const raw = await stage.raw();
    const dev = await stage.process();
    await dev.create(stage.processOptions("dev", { keepaliveMs: 30_000 }));
    const prod = await stage.join("prod");
    const topic = stage.topic("prod", "presence");
    const record = decodePresence((await raw.waitFor(topic)).payload);
    dev.freeze();
    const other = { ...record, epoch: newEpoch(), box: newBox() };
    await raw.publish(topic, other, { retain: true });
    const question = await raw.waitFor(({ text }) => text.includes('"whose"'));
    expect(question.topic).toBe(stage.topic("dev", "control"));
    // It still answers whom it knows, but does not touch the record.
    await raw.publish(stage.topic("prod", "control"), {
      ...{ v: 1, type: "ping", id: "p1", from: "ci", epoch: "x", net: null },
    });
    await raw.waitFor(({ text }) => text.includes('"pong"'));
    expect(raw.messages(topic).at(-1)?.text).toContain(other.epoch);
    dev.thaw();
    await raw.waitFor(({ topic: at, text }) => at === topic && text.includes(prod.peer.epoch), {
      after: raw.received.length,
      timeoutMs: 10_000,
    });
    expect(prod.peer.state).toBe("active");
  });

  it.concurrent(
    "the host clears a record that nobody answers for, and the name is free [PRES-16] [PRES-18] [PRES-19] [LIFE-10]",
    slow,
    async ({ onTestFinished }) => {
      const stage = await prepareStage(broker(), onTestFinished);
      const raw = await stage.raw();
      const { proxy, url } = await stage.proxy();
      const dev = await stage.create("dev", { url });
      const prod = await stage.join("prod");
      const ghost = { v: 1, state: "online", net: dev.peer.net, epoch: newEpoch(), conn: 1, box: newBox() };
      const record = { ...ghost, kind: "member", keepalive: 1_000, since: 1 };
      await raw.publish(stage.topic("ci", "presence"), record, { retain: true });
      await eventually(() => namesOf(dev).includes("ci"));
      // Only what a new connection does not confirm is in doubt.
      proxy.drop();
      await dev.until("connected");
      const askedMs = performance.now();
      const left = await raw.waitFor(
        ({ topic, text }) => topic === stage.topic("ci", "presence") && /"left"/.test(text),
        {
          timeoutMs: 25_000,
        },
      );
      expect(performance.now() - askedMs).toBeGreaterThan(6_000);
      expect(JSON.parse(left.text).epoch).toBe(ghost.epoch);
      await raw.waitFor(({ topic, text }) => topic === stage.topic("ci", "presence") && text === "");
      for (const player of [dev, prod]) await eventually(() => !namesOf(player).includes("ci"));
      const ci = await stage.join("ci");
      expect(ci.peer.name).toBe("ci");
      expect(stateOf(dev, "prod")).toBe("online");
    },
  );

  it.concurrent(
    "a peer whose process is frozen with a long keepalive is still there afterwards [PRES-16]",
    slow,
    async ({ onTestFinished }) => {
      const stage = await prepareStage(broker(), onTestFinished);
      const dev = await stage.create("dev");
      const prod = await stage.process();
      await prod.join(stage.processOptions("prod", { keepaliveMs: 30_000 }));
      prod.freeze();
      const sending = dev.peer.send({ to: "prod", body: "hi", waitMs: 500 });
      expect((await sending)[0]?.state).toBe("sent");
      await dev.peer.confirmRoster(300);
      expect(stateOf(dev, "prod")).toBe("online");
      prod.thaw();
      await dev.until(({ name, value }) => name === "sent" && value.state === "received");
    },
  );
});
