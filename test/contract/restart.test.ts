import { expect, it } from "vitest";
import { describeOnBrokers } from "../support/broker-suites.ts";
import { eventually } from "../support/eventually.ts";
import { failureOf, type Player, prepareStage } from "./stage.ts";

const slow = { timeout: 50_000 };
const statesOf = ({ peer }: Player) => peer.roster().map(({ name, state }) => `${name} ${state}`);

describeOnBrokers("a restart of the broker", ({ kind, startAnother }) => {
  it.concurrent(
    "in good order: the network survives, with the same lives, and so does its mail [END-4] [PRES-1] [PRES-3] [MQTT-7]",
    slow,
    async ({ onTestFinished }) => {
      const broker = await startAnother();
      const stage = await prepareStage(broker, onTestFinished);
      const dev = await stage.create("dev", { home: await stage.otherHome() });
      const prod = await stage.join("prod");
      await eventually(() => dev.peer.roster().length === 2);
      await broker.stop();
      await Promise.all([dev.until("disconnected"), prod.until("disconnected")]);
      const [outcome] = await dev.peer.send({ to: "prod", body: "while it was away", waitMs: 100 });
      expect(outcome?.state).toBe("queued");
      await broker.restart();
      await Promise.all([dev.until("connected", 20_000), prod.until("connected", 20_000)]);
      await eventually(() => expect(prod.bodies()).toEqual(["while it was away"]), { timeoutMs: 20_000 });
      await eventually(() =>
        expect([dev, prod].map(statesOf)).toEqual([
          ["dev online", "prod online"],
          ["dev online", "prod online"],
        ]),
      );
      await eventually(() => prod.peer.state === "active");
      expect(prod.peer.roster()[0]?.presence.epoch).toBe(dev.peer.epoch);
      expect(prod.peer.roster()[0]?.presence.conn).toBeGreaterThan(1);
      expect(dev.count("closed") + prod.count("closed")).toBe(0);
      expect((await prod.peer.send({ to: "dev", body: "fine" }))[0]?.state).toBe("received");
    },
  );

  it.concurrent(
    "by SIGKILL, again and again, with all that it held: the network survives [END-4] [PRES-1] [DEL-1] [MQTT-7]",
    slow,
    async ({ onTestFinished }) => {
      const broker = await startAnother();
      const stage = await prepareStage(broker, onTestFinished);
      const dev = await stage.create("dev", { home: await stage.otherHome() });
      const prod = await stage.join("prod");
      await eventually(() => dev.peer.roster().length === 2);
      for (let round = 1; round <= 3; round += 1) {
        await broker.kill();
        await eventually(() => [dev, prod].every(({ peer }) => !peer.status().connected));
        await dev.peer.send({ to: "prod", body: round, waitMs: 0 });
        await broker.restart();
        await eventually(() => prod.bodies().length === round, { timeoutMs: 20_000 });
      }
      expect(prod.bodies()).toEqual([1, 2, 3]);
      await eventually(() => prod.peer.state === "active");
      // Nobody is dropped when the time for repeating records is over.
      expect((await prod.peer.confirmRoster()).map(({ state }) => state)).toEqual(["online", "online"]);
      expect(dev.count("closed") + prod.count("closed")).toBe(0);
    },
  );

  it.concurrent(
    "who died meanwhile is a ghost: the host clears it where the broker still holds its record [LIFE-10] [PRES-11] [PRES-16] [PRES-18] [PRES-19]",
    slow,
    async ({ onTestFinished }) => {
      const broker = await startAnother();
      const stage = await prepareStage(broker, onTestFinished);
      const dev = await stage.create("dev");
      const member = await stage.join("member");
      const prod = await stage.process();
      await prod.join(stage.processOptions("prod", { home: await stage.otherHome() }));
      await eventually(() => expect([dev, member].map(({ peer }) => peer.roster().length)).toEqual([3, 3]));
      if (kind === "mosquitto") {
        // Its file is written a moment after each change.
        const before = broker.log().length;
        await eventually(() => broker.log().slice(before).includes("Saving in-memory database"), {
          timeoutMs: 3_000,
        }).catch(() => undefined);
      }
      await broker.kill();
      await prod.kill();
      await broker.restart();
      await Promise.all([dev.until("connected", 20_000), member.until("connected", 20_000)]);
      for (const player of [dev, member]) {
        await eventually(() => expect(statesOf(player)).toEqual(["dev online", "member online"]), {
          timeoutMs: 25_000,
        });
      }
      const raw = await stage.raw();
      await raw.waitFor(stage.topic("dev", "presence"));
      await eventually(() => {
        const last = raw.messages(stage.topic("prod", "presence")).at(-1);
        expect(last?.text ?? "").toBe("");
      });
      // Its name is free once the silence was long enough, and not before.
      const again = await eventually(() => stage.join("prod"), { timeoutMs: 20_000, everyMs: 200 });
      expect(again.peer.name).toBe("prod");
    },
  );

  it.concurrent(
    "a host that died meanwhile on this machine: the network closes when the members are back [END-2] [END-6]",
    slow,
    async ({ onTestFinished }) => {
      const broker = await startAnother();
      const stage = await prepareStage(broker, onTestFinished);
      const dev = await stage.process();
      await dev.create(stage.processOptions("dev"));
      const member = await stage.join("member");
      await broker.kill();
      await dev.kill();
      await member.until("disconnected");
      await broker.restart();
      await member.until("closed", 30_000);
      expect((await failureOf(member.peer.send({ to: "dev", body: "hi" }))).code).toBe("network-closed");
    },
  );

  it.concurrent(
    "a host that died meanwhile on another machine: the network is suspended when its silence was long enough, then closed [END-7] [PRES-16]",
    slow,
    async ({ onTestFinished }) => {
      const broker = await startAnother();
      const stage = await prepareStage(broker, onTestFinished);
      const dev = await stage.process();
      await dev.create(stage.processOptions("dev", { home: await stage.otherHome() }));
      const member = await stage.join("member", { closingMs: 2_000 });
      await broker.kill();
      await dev.kill();
      await member.until("disconnected");
      await broker.restart();
      await member.until("suspended", 20_000);
      await member.until("closed", 10_000);
    },
  );
});
