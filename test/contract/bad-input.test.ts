import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, it } from "vitest";
import { newEpoch, newId } from "../../protocol/ids.ts";
import { describeOnBrokers } from "../support/broker-suites.ts";
import { eventually } from "../support/eventually.ts";
import { envelopeBetween, isSent, prepareStage, receiptOf } from "./stage.ts";

const slow = { timeout: 40_000 };

describeOnBrokers("a peer that does not keep to the rules", ({ broker }) => {
  it.concurrent.each([0, Number.MAX_SAFE_INTEGER])(
    "hosts with its clock at %i: who joined goes on receiving, and tells it [ERR-2] [DEL-2]",
    slow,
    async (at) => {
      const ends: (() => Promise<void>)[] = [];
      try {
        const stage = await prepareStage(broker(), (end) => void ends.push(end));
        const raw = await stage.raw();
        const host = { v: 1, from: "host", epoch: newEpoch(), net: newEpoch() };
        host.net = host.epoch;
        const record = {
          v: 1,
          state: "online",
          net: host.net,
          epoch: host.epoch,
          conn: 1,
          box: "box-host",
          kind: "host",
        };
        raw.client.on("message", (topic: string, payload: Buffer) => {
          if (topic !== stage.topic("host", "control")) return;
          const { type, id, from } = JSON.parse(payload.toString("utf8"));
          if (type !== "join" && type !== "ping") return;
          const answer = type === "join" ? { type: "joined", name: from } : { type: "pong", conn: 1 };
          void raw.publish(stage.topic(from, "control"), { ...host, ...answer, re: id, at });
        });
        const said = { ...record, keepalive: 10_000, since: 1 };
        await raw.publish(stage.topic("host", "presence"), said, { retain: true });
        const prod = await stage.join("prod");
        const { name: to, epoch: toEpoch, box: toBox, net } = prod.peer;
        const common = { v: 1, net, from: "host", fromEpoch: host.epoch, fromBox: "box-host", to, toEpoch, toBox };
        const ids = [newId(), newId()];
        for (const [index, id] of ids.entries()) {
          const place = { seq: index + 1, base: 1, at: 1, trace: id, hops: 0 };
          await raw.publish(stage.topic("prod", "inbox"), {
            ...common,
            ...place,
            id,
            re: null,
            type: "message",
            body: id,
          });
        }
        for (const id of ids) await raw.waitFor(receiptOf(id, "received"));
        expect(prod.bodies()).toEqual(ids);
      } finally {
        for (const end of ends.reverse()) await end();
      }
    },
  );

  it.concurrent(
    "repeats an envelope a thousand times: it is delivered once, answered, and takes one place on disk [DEL-4] [RCPT-4]",
    slow,
    async ({ onTestFinished }) => {
      const stage = await prepareStage(broker(), onTestFinished);
      const [dev, prod] = [await stage.create("dev"), await stage.join("prod")];
      // Only what is asked for: a client that gets everything would be slower than those that it watches.
      const raw = await stage.raw();
      const envelope = envelopeBetween(dev.peer, prod.peer, { body: "again and again" });
      await Promise.all(Array.from({ length: 1_000 }, () => raw.publish(stage.topic("prod", "inbox"), envelope)));
      // Those that arrive together are answered together.
      const answers = () => raw.messages(receiptOf(envelope.id)).length;
      await eventually(() => answers() > 0, { timeoutMs: 20_000 });
      const answered = answers();
      await raw.publish(stage.topic("prod", "inbox"), envelope);
      await eventually(() => answers() > answered, { timeoutMs: 20_000 });
      expect(prod.bodies()).toEqual(["again and again"]);
      expect(prod.count("message")).toBe(1);
      const { hostname, port } = new URL(stage.url);
      const file = join(stage.home, "networks", `${stage.network}@${hostname}-${port}`, "prod", "inbox.jsonl");
      const lines = readFileSync(file, "utf8").split("\n");
      expect(lines.filter((line) => line.includes(envelope.id))).toHaveLength(1);
      // The sender never sent it, and is not moved by a thousand receipts.
      expect(dev.peer.sent()).toEqual([]);
      expect((await dev.peer.send({ to: "prod", body: "fine" }))[0]?.state).toBe("received");
    },
  );

  it.concurrent(
    "states that it has a message of another, which waits on: it is still delivered [RCPT-2] [DEL-1]",
    slow,
    async ({ onTestFinished }) => {
      const stage = await prepareStage(broker(), onTestFinished);
      const raw = await stage.raw();
      const { proxy, url } = await stage.proxy();
      const dev = await stage.create("dev");
      const third = await stage.join("third");
      const prod = await stage.join("prod", { url });
      proxy.cut();
      await dev.until("lost");
      const [outcome] = await dev.peer.send({ to: "prod", body: "for prod" });
      expect(outcome?.state).toBe("queued");
      const receipt = { v: 1, net: dev.peer.net, id: outcome?.id, epoch: third.peer.epoch, box: third.peer.box, at: 1 };
      for (const state of ["received", "seen", "replied", "denied", "expired"]) {
        await raw.publish(stage.topic("dev", "receipts"), { ...receipt, from: "third", state });
        await raw.publish(stage.topic("dev", "receipts"), { ...receipt, from: "prod", state });
        await raw.publish(stage.topic("dev", "receipts"), { ...receipt, id: newId(), from: "third", state });
      }
      await eventually(() => dev.count("rejected") === 15);
      expect(dev.peer.sent()[0]?.state).toBe("queued");
      proxy.heal();
      await dev.until(isSent(outcome?.id, "received"), 20_000);
      expect(prod.bodies()).toEqual(["for prod"]);
    },
  );

  it.concurrent(
    "publishes the will of others: who lives repairs its record, and nobody is closed [PRES-7] [PRES-13] [END-4]",
    slow,
    async ({ onTestFinished }) => {
      const stage = await prepareStage(broker(), onTestFinished);
      const raw = await stage.raw();
      const dev = await stage.create("dev");
      const [prod, third] = [await stage.join("prod"), await stage.join("third")];
      for (const { peer } of [dev, prod]) {
        const topic = stage.topic(peer.name, "presence");
        const record = JSON.parse((await raw.waitFor(topic)).text);
        for (const forged of [
          { ...record, state: "lost" },
          { ...record, state: "lost", conn: record.conn + 7 },
          { ...record, state: "lost", epoch: newEpoch() },
        ]) {
          const before = raw.received.length;
          await raw.publish(topic, forged, { retain: true });
          await raw.waitFor(({ topic: at, text }) => at === topic && text.includes('"online"'), {
            after: before,
            timeoutMs: 10_000,
          });
        }
      }
      for (const { peer } of [dev, prod, third]) {
        await eventually(() => {
          expect(peer.state).toBe("active");
          expect(peer.roster().map(({ name, state }) => `${name} ${state}`)).toEqual([
            "dev online",
            "prod online",
            "third online",
          ]);
        });
      }
      expect([dev, prod, third].map((player) => player.count("closed"))).toEqual([0, 0, 0]);
      expect((await third.peer.send({ to: "all", body: "all well?" })).map(({ state }) => state)).toEqual([
        "received",
        "received",
      ]);
    },
  );

  it.concurrent(
    "publishes the birth of another epoch for others: who holds the name keeps it [PRES-14] [PRES-15]",
    slow,
    async ({ onTestFinished }) => {
      const stage = await prepareStage(broker(), onTestFinished);
      const raw = await stage.raw();
      const [dev, prod] = [await stage.create("dev"), await stage.join("prod")];
      const third = await stage.join("third");
      for (const { peer } of [dev, prod]) {
        const topic = stage.topic(peer.name, "presence");
        const record = JSON.parse((await raw.waitFor(topic)).text);
        const before = raw.received.length;
        await raw.publish(topic, { ...record, epoch: newEpoch(), conn: 1 }, { retain: true });
        await raw.waitFor(({ topic: at, text }) => at === topic && text.includes(`"epoch":"${peer.epoch}"`), {
          after: before,
          timeoutMs: 10_000,
        });
      }
      const epochs = () => third.peer.roster().map(({ presence }) => presence.epoch);
      await eventually(() => expect(epochs()).toEqual([dev, prod, third].map(({ peer }) => peer.epoch)));
      expect([dev, prod, third].map(({ peer }) => peer.state)).toEqual(["active", "active", "active"]);
      expect((await third.peer.send({ to: "all", body: "all well?" })).map(({ state }) => state)).toEqual([
        "received",
        "received",
      ]);
    },
  );
});
