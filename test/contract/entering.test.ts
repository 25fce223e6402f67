import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { expect, it } from "vitest";
import { newBox, newEpoch } from "../../protocol/ids.ts";
import { decodePresence } from "../../protocol/presence.ts";
import { describeOnBrokers } from "../support/broker-suites.ts";
import { eventually } from "../support/eventually.ts";
import { rawMqtt } from "../support/raw-mqtt.ts";
import { failureOf, prepareStage, type Stage } from "./stage.ts";

/** A host "dev" that is nothing but its record: the test answers for it. */
async function hostByHand(stage: Stage) {
  const host = await stage.raw();
  const epoch = newEpoch();
  const record = { v: 1, state: "online", net: epoch, epoch, conn: 1, box: newBox(), kind: "host" };
  await host.publish(stage.topic("dev", "presence"), { ...record, keepalive: 1000, since: 1 }, { retain: true });
  return { host, epoch };
}

describeOnBrokers("entering a network", ({ broker }) => {
  it("creates, joins, shows both in each roster, and leaves [PRES-1] [PRES-5] [PRES-12] [END-8] [MQTT-4]", async ({
    onTestFinished,
  }) => {
    const stage = await prepareStage(broker(), onTestFinished);
    const raw = await stage.raw();
    const dev = await stage.create("dev", { role: "backend", model: "m-1", about: "fix login" });
    const prod = await stage.join("prod");
    expect(dev.peer).toMatchObject({ kind: "host", state: "active", net: dev.peer.epoch });
    expect(prod.peer).toMatchObject({ kind: "member", state: "active", net: dev.peer.epoch, about: "fix login" });
    await dev.until(({ name, value }) => name === "joined" && value.name === "prod");
    for (const { peer } of [dev, prod]) {
      await eventually(() => expect(peer.roster().map(({ name }) => name)).toEqual(["dev", "prod"]));
    }
    const birth = await raw.waitFor(stage.topic("dev", "presence"));
    expect(decodePresence(birth.payload)).toMatchObject({ state: "online", conn: 1, role: "backend", folder: "dev" });
    expect(birth.text).not.toContain("/projects");
    expect(dev.peer.dependents()).toEqual(["prod"]);

    await prod.peer.leave();
    await dev.until(({ name, value }) => name === "departed" && value.name === "prod");
    expect(dev.peer.state).toBe("active");
    await dev.peer.leave();
    const states = raw.messages(stage.topic("dev", "presence")).map(({ text }) => (text ? JSON.parse(text).state : ""));
    expect(states.at(-2)).toBe("left");
    expect(states.at(-1)).toBe("");
    const mark = await raw.waitFor(stage.topic("_all", "presence"));
    const left = await raw.waitFor(({ text }) => text.includes('"left"') && text.includes('"host"'));
    expect(raw.received.indexOf(mark)).toBeLessThan(raw.received.indexOf(left));
    expect(raw.messages(({ qos }) => qos !== 1)).toEqual([]);

    // Nothing but the mark is left behind, and the next host clears it.
    const late = await stage.raw();
    await late.waitFor(stage.topic("_all", "presence"));
    expect(late.messages("pilink/+/+/presence").map(({ topic }) => topic)).toEqual([stage.topic("_all", "presence")]);
    const next = await stage.create("next");
    expect(next.peer.net).not.toBe(dev.peer.net);
    await late.waitFor(({ topic, text }) => topic === stage.topic("_all", "presence") && text === "");
  });

  it("deletes the session on the broker when it leaves: nothing is queued for it [MQTT-2] [PRES-12]", async ({
    onTestFinished,
  }) => {
    const stage = await prepareStage(broker(), onTestFinished);
    const dev = await stage.create("dev");
    const { box } = dev.peer;
    await dev.peer.leave();
    const raw = await stage.raw();
    await raw.publish(stage.topic("dev", "inbox"), "is anybody there?");
    const session = await rawMqtt(broker().url, { clientId: `pl-${box}`, clean: false });
    await session.subscribe(stage.topic("dev", "control"));
    await raw.publish(stage.topic("dev", "control"), "end");
    await session.waitFor(stage.topic("dev", "control"));
    expect(session.messages(stage.topic("dev", "inbox"))).toEqual([]);
  });

  it("asks over a setup connection, before its own; a join under a free name is granted [MQTT-3] [MQTT-5] [LIFE-7] [LIFE-10]", async ({
    onTestFinished,
  }) => {
    const stage = await prepareStage(broker(), onTestFinished);
    const dev = await stage.create("dev");
    const raw = await stage.raw();
    const prod = await stage.join("prod");
    const request = await raw.waitFor(({ text }) => text.includes('"join"'));
    expect(request.topic).toBe(stage.topic("_all", "control"));
    expect(JSON.parse(request.text)).toMatchObject({ from: "prod", epoch: prod.peer.epoch, box: prod.peer.box });
    const answer = await raw.waitFor(({ text }) => text.includes('"joined"'));
    expect(answer.topic).toBe(stage.topic("prod", "control"));
    expect(JSON.parse(answer.text)).toMatchObject({ net: dev.peer.net, re: JSON.parse(request.text).id });
    const birth = await raw.waitFor(stage.topic("prod", "presence"));
    expect(raw.received.indexOf(birth)).toBeGreaterThan(raw.received.indexOf(answer));
    expect(JSON.parse(birth.text)).toMatchObject({ net: dev.peer.net, conn: 1 });
  });

  it("measures network time at the join [LIFE-14]", async ({ onTestFinished }) => {
    const stage = await prepareStage(broker(), onTestFinished);
    // Its clock is an hour ahead.
    const { host, epoch } = await hostByHand(stage);
    const joining = stage.join("prod");
    const request = await host.waitFor(({ text }) => text.includes('"join"'));
    const answer = { v: 1, type: "joined", re: JSON.parse(request.text).id, net: epoch, from: "dev", epoch };
    await host.publish(stage.topic("prod", "control"), { ...answer, name: "prod", at: Date.now() + 3_600_000 });
    const prod = await joining;
    expect(Math.abs(prod.peer.status().clockOffsetMs - 3_600_000)).toBeLessThan(500);
  });

  it("asks the host that it finds by its record where none answers on _all, and believes no other [LIFE-7] [LIFE-19]", async ({
    onTestFinished,
  }) => {
    const stage = await prepareStage(broker(), onTestFinished);
    // It hears only what is on its own topics.
    const { host, epoch } = await hostByHand(stage);
    const joining = stage.join("prod");
    const answerTo = async (topic: string, from: string, life: string) => {
      const { text } = await host.waitFor((message) => message.topic === topic && message.text.includes('"join"'));
      const answer = { v: 1, type: "joined", re: JSON.parse(text).id, net: epoch, name: "prod", at: Date.now() };
      await host.publish(stage.topic("prod", "control"), { ...answer, from, epoch: life });
    };
    await answerTo(stage.topic("_all", "control"), "ops", newEpoch());
    await answerTo(stage.topic("dev", "control"), "dev", epoch);
    expect((await joining).peer.status()).toMatchObject({ host: "dev", net: epoch });
  });

  it("is answered by the host on _all, and by no member anywhere [LIFE-19]", async ({ onTestFinished }) => {
    const stage = await prepareStage(broker(), onTestFinished);
    const dev = await stage.create("dev");
    await stage.join("prod");
    const raw = await stage.raw();
    const request = { v: 1, type: "join", from: "ops", epoch: newEpoch(), box: newBox(), at: 1 };
    for (const to of ["prod", "_all", "dev"]) {
      await raw.publish(stage.topic(to, "control"), { ...request, id: `to-${to}` });
      await raw.publish(stage.topic(to, "control"), {
        v: 1,
        type: "ping",
        from: "ops",
        epoch: "x",
        id: "p",
        net: null,
      });
    }
    const answers = () => raw.messages(stage.topic("ops", "control")).map(({ text }) => JSON.parse(text));
    // A member that had answered would have done so before its pong.
    await eventually(() => answers().filter(({ from }) => from === "prod").length > 0);
    await eventually(() => answers().filter(({ type }) => type === "joined").length === 2);
    expect(answers().filter(({ type }) => type === "joined")).toEqual([
      expect.objectContaining({ re: "to-_all", from: "dev", epoch: dev.peer.epoch }),
      expect.objectContaining({ re: "to-dev", from: "dev", epoch: dev.peer.epoch }),
    ]);
  });

  it("refuses to create where a host lives, and names it [LIFE-2] [LIFE-18]", async ({ onTestFinished }) => {
    const stage = await prepareStage(broker(), onTestFinished);
    await stage.create("dev");
    const failure = await failureOf(stage.create("prod", { home: await stage.otherHome() }));
    expect(failure).toMatchObject({ code: "network-exists", message: expect.stringContaining('"dev"') });
    const raw = await stage.raw();
    await raw.waitFor(stage.topic("dev", "presence"));
    expect(raw.messages(stage.topic("prod", "presence"))).toEqual([]);
  });

  it("says that a network is not found [LIFE-9]", async ({ onTestFinished }) => {
    const stage = await prepareStage(broker(), onTestFinished);
    const failure = await failureOf(stage.join("prod"));
    expect(failure).toMatchObject({ code: "network-not-found", message: expect.stringContaining(stage.network) });
  });

  it("refuses a chosen name that is taken, and counts up a made-up one [LIFE-11] [LIFE-12] [NAME-6]", async ({
    onTestFinished,
  }) => {
    const stage = await prepareStage(broker(), onTestFinished);
    const [here, there, elsewhere] = [stage.home, await stage.otherHome(), await stage.otherHome()];
    await stage.create("dev");
    await stage.join("prod", { home: here });
    const failure = await failureOf(stage.join("prod", { home: there }));
    expect(failure).toMatchObject({ code: "name-taken", message: expect.stringContaining("prod-2") });
    const second = await stage.join("prod", { home: there, nameChosen: false });
    expect(second.peer.name).toBe("prod-2");
    const third = await stage.join("prod", { home: elsewhere, nameChosen: false });
    expect(third.peer.name).toBe("prod-3");
    expect((await failureOf(stage.join("dev", { home: there }))).code).toBe("name-taken");
  });

  it("holds a name on one machine by its lock, before any broker is asked [LIFE-13]", async ({ onTestFinished }) => {
    const stage = await prepareStage(broker(), onTestFinished);
    const raw = await stage.raw();
    await stage.create("dev");
    await stage.join("prod");
    const asked = () => raw.messages(({ text }) => text.includes('"join"')).length;
    await eventually(() => asked() === 1);
    const failure = await failureOf(stage.join("prod", { folder: "/projects/other" }));
    expect(failure).toMatchObject({ code: "name-taken", message: expect.stringContaining(`pid ${process.pid}`) });
    const second = await stage.join("prod", { nameChosen: false });
    expect(second.peer.name).toBe("prod-2");
    expect(asked()).toBe(2);
  });

  it("frees a name when its peer leaves, and gives it to another box [LIFE-10]", async ({ onTestFinished }) => {
    const stage = await prepareStage(broker(), onTestFinished);
    await stage.create("dev");
    const prod = await stage.join("prod");
    await prod.peer.leave();
    const again = await stage.join("prod", { home: await stage.otherHome() });
    expect(again.peer.box).not.toBe(prod.peer.box);
    expect(again.peer.name).toBe("prod");
  });

  it("gives the box of a folder to the next life there, and a new one to another folder [NAME-9] [LIFE-10]", async ({
    onTestFinished,
  }) => {
    const stage = await prepareStage(broker(), onTestFinished);
    const dev = await stage.create("dev");
    const first = await stage.join("prod");
    await first.peer.leave();
    const second = await stage.join("prod");
    expect(second.peer.box).toBe(first.peer.box);
    expect(second.peer.epoch).not.toBe(first.peer.epoch);
    await second.peer.leave();
    const third = await stage.join("prod", { folder: "/projects/elsewhere" });
    expect(third.peer.box).not.toBe(first.peer.box);
    await dev.peer.leave();
  });

  it("takes back the name of its own process that was killed [LIFE-10] [PRES-17]", async ({ onTestFinished }) => {
    const stage = await prepareStage(broker(), onTestFinished);
    const dev = await stage.create("dev");
    const first = await stage.process();
    const { epoch } = await first.join(stage.processOptions("prod"));
    await first.kill();
    const second = await stage.join("prod");
    expect(second.peer.epoch).not.toBe(epoch);
    await eventually(() => {
      const record = dev.peer.roster().find(({ name }) => name === "prod");
      expect(record).toMatchObject({ state: "online", presence: { epoch: second.peer.epoch } });
    });
    expect(second.peer.state).toBe("active");
  });

  it("opens nothing that others may read, and leaves no lock held [LIFE-13]", async ({ onTestFinished }) => {
    const stage = await prepareStage(broker(), onTestFinished);
    const dev = await stage.create("dev");
    await dev.peer.leave();
    const [folder] = await readdir(join(stage.home, "networks"));
    expect(folder).toContain(`${stage.network}@127.0.0.1-`);
    const again = await stage.create("dev");
    expect(again.peer.box).toBe(dev.peer.box);
  });

  it("stops when its caller gives up, and leaves nothing behind [LIFE-18]", async ({ onTestFinished }) => {
    const stage = await prepareStage(broker(), onTestFinished);
    const raw = await stage.raw();
    const giveUp = new AbortController();
    const creating = failureOf(stage.create("dev", { signal: giveUp.signal }));
    await raw.waitFor(stage.topic("_all", "control"));
    giveUp.abort();
    expect((await creating).code).toBe("cancelled");
    const late = await stage.raw();
    await raw.publish(stage.topic("end", "control"), "end");
    await late.waitFor(stage.topic("end", "control"));
    expect(late.messages(stage.topic("dev", "presence"))).toEqual([]);
  });

  it("publishes no will when it leaves in the middle of traffic [PRES-12] [LIFE-18]", async ({ onTestFinished }) => {
    const stage = await prepareStage(broker(), onTestFinished);
    const raw = await stage.raw();
    await stage.create("dev");
    const pours = { on: true };
    const pour = async () => {
      while (pours.on) await raw.publish(stage.topic("prod", "inbox"), "news");
    };
    const pouring = Promise.all([pour(), pour(), pour(), pour()]);
    for (let round = 0; round < 10; round += 1) {
      const prod = await stage.join("prod");
      await prod.peer.leave();
    }
    pours.on = false;
    await pouring;
    await raw.publish(stage.topic("end", "control"), "end");
    await raw.waitFor(stage.topic("end", "control"));
    const records = raw.messages(stage.topic("prod", "presence"));
    expect(records.filter(({ text }) => text.includes('"lost"'))).toEqual([]);
    expect(records.at(-1)?.text).toBe("");
  });
});
