import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, it } from "vitest";
import { newId } from "../../protocol/ids.ts";
import { describeOnBrokers } from "../support/broker-suites.ts";
import { eventually } from "../support/eventually.ts";
import { envelopeBetween, isSent, prepareStage, receiptOf, type Stage } from "./stage.ts";

const slow = { timeout: 40_000 };

/** The path of a file of a peer's state. */
function fileOf(stage: Stage, home: string, peer: string, file: string): string {
  const { hostname, port } = new URL(stage.url);
  return join(home, "networks", `${stage.network}@${hostname}-${port}`, peer, file);
}

describeOnBrokers("the mail of a network", ({ broker }) => {
  it.concurrent("hazard 1: never goes to another process of the same name, and ends as expired [MQTT-2] [DEL-6] [DEL-10]", async ({
    onTestFinished,
  }) => {
    const stage = await prepareStage(broker(), onTestFinished);
    const raw = await stage.raw();
    const dev = await stage.create("dev");
    const first = await stage.process();
    const { net } = await first.join(stage.processOptions("prod", { home: await stage.otherHome() }));
    await first.kill();
    await dev.until("lost");
    const [waiting] = await dev.peer.send({ to: "prod", body: "for the first only" });
    expect(waiting?.state).toBe("queued");
    // What a broker may hold for the first as well.
    const record = JSON.parse(raw.messages(stage.topic("prod", "presence")).at(-1)?.text ?? "");
    await raw.publish(stage.topic("prod", "presence"), { ...record, state: "left" }, { retain: true });
    await raw.publish(stage.topic("prod", "presence"), "", { retain: true });
    await eventually(() => dev.peer.roster().length === 1);
    const second = await stage.join("prod");
    expect(second.peer.net).toBe(net);
    expect(second.peer.box).not.toBe(record.box);
    await dev.until(isSent(waiting?.id, "expired"));
    const [fresh] = await dev.peer.send({ to: "prod", body: "for the second" });
    expect(fresh?.state).toBe("received");
    expect(second.bodies()).toEqual(["for the second"]);
    expect(raw.messages(({ text }) => text.includes("for the first only"))).toEqual([]);
  });

  it.concurrent("hazard 1: an envelope that was for another box is rejected [INBOX-1]", async ({ onTestFinished }) => {
    const stage = await prepareStage(broker(), onTestFinished);
    const raw = await stage.raw();
    const [dev, prod] = [await stage.create("dev"), await stage.join("prod")];
    for (const part of [{ toBox: newId() }, { to: "third" }, { net: newId() }]) {
      await raw.publish(stage.topic("prod", "inbox"), envelopeBetween(dev.peer, prod.peer, part));
    }
    await eventually(() => prod.count("rejected") === 3);
    expect(prod.bodies()).toEqual([]);
    expect(prod.peer.status().rejected).toEqual({ "bad-payload": 3 });
  });

  it.concurrent("of a restarted peer of the same folder and instance arrives, once [INBOX-9] [DEL-1] [DEL-4] [DEL-6]", async ({
    onTestFinished,
  }) => {
    const stage = await prepareStage(broker(), onTestFinished);
    const dev = await stage.create("dev");
    const first = await stage.process();
    await first.join(stage.processOptions("prod"));
    await dev.peer.send({ to: "prod", body: "one" });
    await first.kill();
    await dev.until("lost");
    const [waiting] = await dev.peer.send({ to: "prod", body: "two" });
    expect(waiting?.state).toBe("queued");
    const second = await stage.process();
    await second.join(stage.processOptions("prod"));
    await dev.until(isSent(waiting?.id, "received"));
    expect((await second.inbox()).map(({ body }) => body)).toEqual(["one", "two"]);
    await second.kill();
    const third = await stage.process();
    await third.join(stage.processOptions("prod"));
    await dev.peer.send({ to: "prod", body: "three" });
    expect((await third.inbox()).map(({ body }) => body)).toEqual(["one", "two", "three"]);
  });

  it.concurrent("of a restarted sender goes out: its outbox is on disk [DEL-1] [DEL-12]", async ({
    onTestFinished,
  }) => {
    const stage = await prepareStage(broker(), onTestFinished);
    const dev = await stage.create("dev");
    const prod = await stage.process();
    await prod.join(stage.processOptions("prod"));
    const sender = await stage.process();
    await sender.join(stage.processOptions("sender"));
    await sender.send({ to: "prod", body: "one" });
    await prod.kill();
    await sender.until("lost");
    expect((await sender.send({ to: "prod", body: "two" }))[0]?.state).toBe("queued");
    await sender.kill();
    await eventually(() => dev.count("lost") === 2);
    const again = await stage.process();
    await again.join(stage.processOptions("sender"));
    const back = await stage.process();
    await back.join(stage.processOptions("prod"));
    await eventually(async () => expect((await back.inbox()).map(({ body }) => body)).toEqual(["one", "two"]));
    await again.send({ to: "prod", body: "three" });
    const seqs = (await back.inbox()).map(({ envelope }) => envelope.seq);
    expect(seqs).toEqual([1, 2, 3]);
  });

  it.concurrent("of an earlier instance never enters a later one, and seq goes on counting [DEL-11] [DEL-12] [INBOX-1]", async ({
    onTestFinished,
  }) => {
    const stage = await prepareStage(broker(), onTestFinished);
    const raw = await stage.raw();
    const first = await stage.create("dev");
    const prod = await stage.process();
    await prod.join(stage.processOptions("prod"));
    await first.peer.send({ to: "prod", body: "old, received" });
    await prod.kill();
    await first.until("lost");
    const [waiting] = await first.peer.send({ to: "prod", body: "old, waiting" });
    const old = JSON.parse(
      readFileSync(fileOf(stage, stage.home, "dev", "outbox.jsonl"), "utf8")
        .split("\n")
        .find((line) => line.includes("old, waiting")) ?? "",
    );
    await first.peer.leave();
    expect(first.peer.sent().find(({ id }) => id === waiting?.id)?.state).toBe("expired");
    const second = await stage.create("dev");
    const again = await stage.join("prod");
    expect(again.bodies()).toEqual([]);
    expect(second.peer.sent()).toEqual([]);
    // What a broker may still hold of it.
    await raw.publish(stage.topic("prod", "inbox"), old.envelope);
    await again.until("rejected");
    await second.peer.send({ to: "prod", body: "new" });
    expect(again.peer.inbox().map(({ body, envelope }) => [body, envelope.seq])).toEqual([["new", 3]]);
  });

  it.concurrent(
    "is on the receiver's disk before it is acknowledged: SIGKILL right after sent [DEL-2] [DEL-3]",
    slow,
    async ({ onTestFinished }) => {
      const stage = await prepareStage(broker(), onTestFinished);
      const raw = await stage.raw();
      const dev = await stage.create("dev");
      for (let round = 0; round < 4; round += 1) {
        const prod = await stage.process();
        await prod.join(stage.processOptions("prod"));
        const known = new Set(dev.peer.sent().map(({ id }) => id));
        const sending = dev.peer.send({ to: "prod", body: `round ${round}`, waitMs: 10_000 });
        await dev.until(({ name, value }) => name === "sent" && value.state !== "queued" && !known.has(value.id));
        await prod.kill();
        const id = dev.peer.sent().at(-1)?.id ?? "";
        const file = readFileSync(fileOf(stage, stage.home, "prod", "inbox.jsonl"), "utf8");
        if (raw.messages(receiptOf(id, "received")).length > 0) expect(file).toContain(id);
        const back = await stage.process();
        await back.join(stage.processOptions("prod"));
        expect((await sending)[0]?.state).toBe("received");
        const bodies = (await back.inbox()).map(({ body }) => body);
        expect(bodies).toEqual(Array.from({ length: round + 1 }, (_, index) => `round ${index}`));
        await back.leave();
        await back.kill();
      }
    },
  );

  it.concurrent("a damaged end of the outbox file does not block the next life", async ({ onTestFinished }) => {
    const stage = await prepareStage(broker(), onTestFinished);
    const dev = await stage.create("dev");
    await stage.join("prod");
    await dev.peer.send({ to: "prod", body: "fits" });
    const file = readFileSync(fileOf(stage, stage.home, "dev", "outbox.jsonl"), "utf8");
    expect(file).toContain('"fits"');
    // A damaged last line, as a crash in the middle of a write leaves it, does not keep the next life from its files.
    await dev.peer.leave();
    writeFileSync(fileOf(stage, stage.home, "dev", "outbox.jsonl"), `${file}{"op":"out","enve`);
    const again = await stage.create("dev");
    expect(again.peer.state).toBe("active");
  });

  it.concurrent("for a receiver that left waits until it returns with the same box [DEL-6] [DEL-10]", async ({
    onTestFinished,
  }) => {
    const stage = await prepareStage(broker(), onTestFinished);
    const dev = await stage.create("dev");
    const prod = await stage.process();
    await prod.join(stage.processOptions("prod", { keepaliveMs: 30_000 }));
    prod.freeze();
    const [outcome] = await dev.peer.send({ to: "prod", body: "see you", waitMs: 0 });
    await dev.until(isSent(outcome?.id, "sent"));
    await prod.kill();
    const { presence } = dev.peer.roster().find(({ name }) => name === "prod") ?? {};
    const raw = await stage.raw();
    await raw.publish(stage.topic("prod", "presence"), { ...presence, state: "left" }, { retain: true });
    await dev.until("departed");
    expect(dev.peer.status().waiting).toBe(1);
    const back = await stage.join("prod");
    expect(back.peer.box).toBe(presence?.box);
    await dev.until(isSent(outcome?.id, "received"));
    expect(back.bodies()).toEqual(["see you"]);
  });
});
