import { afterAll, beforeAll, expect, it } from "vitest";
import { failureOf, prepareStage } from "../contract/stage.ts";
import { stopEverything } from "../support/cleanup.ts";
import { eventually } from "../support/eventually.ts";
import { rawMqtt } from "../support/raw-mqtt.ts";
import { type Lan, startLan, teamPassword } from "./lan.ts";
import { describeLan } from "./suite.ts";

const password = "word of the others";

/** A broker of one variant for a whole suite, with accounts beside the one of `.env`. */
function suiteBroker(variant: string, first: string, others: string[]) {
  let running: Lan | undefined;
  const lan = (): Lan => {
    if (running === undefined) throw new Error("The broker runs only inside of tests and hooks.");
    return running;
  };
  const account = (username: string) => ({ username, password: username === first ? teamPassword : password });
  const client = (username: string) => rawMqtt(lan().url(1883), account(username));
  beforeAll(async () => {
    running = await startLan({ PILINK_LAN: variant, PILINK_USERNAME: first });
    for (const name of others) await running.addAccount(name, password);
    for (const name of others) await (await eventually(() => client(name))).close();
  });
  afterAll(stopEverything);
  return { lan, account, client };
}

describeLan("the LAN's broker with one account for each network", () => {
  const { lan, account, client } = suiteBroker("network", "lab", ["shop"]);

  it("lets the members of a network talk, and keeps others out of it", async ({ onTestFinished }) => {
    const stage = await prepareStage(lan().url(1883), onTestFinished);
    const lab = { ...account("lab"), network: "lab" };
    const dev = await stage.create("dev", lab);
    const prod = await stage.join("prod", lab);
    await dev.until(({ name, value }) => name === "joined" && value.name === "prod");
    expect(await dev.peer.send({ to: "prod", body: "hello" })).toMatchObject([{ state: "received" }]);
    expect(await prod.peer.send({ to: "dev", body: "hello" })).toMatchObject([{ state: "received" }]);

    const stranger = { ...account("shop"), network: "lab" };
    const failures = await Promise.all([
      failureOf(stage.create("third", stranger)),
      failureOf(stage.join("fourth", stranger)),
    ]);
    for (const { code, message } of failures) {
      expect(code).toBe("broker-forbids");
      expect(message).toMatch(/pilink\/lab\/\w+\/control/);
    }
    await stage.create("dev", { ...account("shop"), network: "shop" });
  });

  it("lets the user of one network neither read nor write another", async () => {
    const [lab, shop] = [await client("lab"), await client("shop")];
    for (const each of [lab, shop]) await each.subscribe("#", "pilink/+/+/presence", "pilink/lab/#", "pilink/shop/#");
    for (const channel of ["inbox", "receipts", "control", "presence"]) {
      const options = { retain: channel === "presence" };
      await lab.publish(`pilink/shop/ann/${channel}`, "forbidden", options);
      await shop.publish(`pilink/lab/ann/${channel}`, "forbidden", options);
      await lab.publish(`pilink/lab/ann/${channel}`, "permitted", options);
      await shop.publish(`pilink/shop/ann/${channel}`, "permitted", options);
    }
    for (const [each, network] of [[lab, "lab"] as const, [shop, "shop"] as const]) {
      await each.publish(`pilink/${network}/end/inbox`, "the end");
      await each.waitFor(({ text }) => text === "the end");
      expect(each.messages(({ text }) => text === "permitted").length).toBeGreaterThanOrEqual(4);
      expect(each.messages(({ text }) => text === "forbidden")).toEqual([]);
      expect(each.messages(({ topic }) => !topic.startsWith(`pilink/${network}/`))).toEqual([]);
      await each.publish(`pilink/${network}/ann/presence`, "", { retain: true });
    }
  });
});

describeLan("the LAN's broker with one account for each peer", () => {
  const { lan, account, client } = suiteBroker("peer", "dev", ["prod", "third", "ci"]);

  it("lets peers do all that a network needs", async ({ onTestFinished }) => {
    const stage = await prepareStage(lan().url(1883), onTestFinished);
    const dev = await stage.create("dev", account("dev"));
    const prod = await stage.join("prod", account("prod"));
    await dev.until(({ name, value }) => name === "joined" && value.name === "prod");
    expect(await dev.peer.send({ to: "prod", body: "hello" })).toMatchObject([{ state: "received" }]);
    expect(await prod.peer.send({ to: "dev", body: "hello" })).toMatchObject([{ state: "received" }]);
    await prod.peer.leave();
    await dev.until(({ name, value }) => name === "departed" && value.name === "prod");
  });

  it("lets nobody publish another's presence, nor read another's inbox, receipts or control", async () => {
    const [dev, prod] = [await client("dev"), await client("prod")];
    const topics = ["inbox", "receipts", "control"].map((channel) => `pilink/lab/dev/${channel}`);
    await dev.subscribe(...topics, "pilink/lab/dev/presence");
    await prod.subscribe("#", "pilink/lab/dev/#", "pilink/lab/+/presence", ...topics);
    await prod.publish("pilink/lab/dev/presence", "forged", { retain: true });
    await prod.publish("pilink/lab/dev/presence", "", { retain: true });
    for (const topic of topics) await prod.publish(topic, "to dev");
    await dev.publish("pilink/lab/dev/presence", "from dev", { retain: true });
    await prod.waitFor(({ text }) => text === "from dev");
    await eventually(() => dev.messages(({ text }) => text === "to dev").length === topics.length);
    expect(dev.messages("pilink/lab/dev/presence").map(({ text }) => text)).toEqual(["from dev"]);
    expect(new Set(prod.received.map(({ topic }) => topic))).toEqual(new Set(["pilink/lab/dev/presence"]));
    await dev.publish("pilink/lab/dev/presence", "", { retain: true });
  });

  it("refuses names that are not one's own, and those that are taken", async ({ onTestFinished }) => {
    const stage = await prepareStage(lan().url(1883), onTestFinished);
    await stage.create("dev", account("dev"));
    const home = await stage.otherHome();
    const failures = await Promise.all([
      failureOf(stage.join("somebody", account("prod"))),
      failureOf(stage.join("dev", { ...account("dev"), home })),
      // Where nobody chose the name the next one is tried, and that is not the account's.
      failureOf(stage.join("dev", { ...account("dev"), home: await stage.otherHome(), nameChosen: false })),
    ]);
    expect(failures.map(({ code }) => code)).toEqual(["broker-forbids", "name-taken", "broker-forbids"]);
    expect(failures[0]?.message).toContain(stage.topic("somebody", "control"));
    expect(failures[2]?.message).toContain(stage.topic("dev-2", "control"));
  });

  it("goes on without a host whose record nobody else may clear", async ({ onTestFinished }) => {
    const stage = await prepareStage(lan().url(1883), onTestFinished);
    const host = await stage.process();
    await host.create(
      stage.processOptions("ci", { ...account("ci"), home: await stage.otherHome(), closingMs: 1_000 }),
    );
    const prod = await stage.join("prod", { ...account("prod"), closingMs: 1_000 });
    await host.kill();
    await prod.until("suspended");
    await prod.until("closed");

    // The record is still there, and neither the name of the network nor that of the peer is lost with it.
    const dev = await stage.create("dev", { ...account("dev"), closingMs: 1_000 });
    const third = await stage.join("third", account("third"));
    const anybody = await client("prod");
    await anybody.subscribe("pilink/+/+/presence");
    expect(JSON.parse((await anybody.waitFor(stage.topic("ci", "presence"))).text)).toMatchObject({ state: "lost" });
    await stage.join("ci", { ...account("ci"), home: await stage.otherHome() });
    for (const { peer } of [dev, third]) {
      await eventually(() => expect(peer.roster().map(({ name }) => name)).toEqual(["dev", "ci", "third"]));
    }
  });
});

describeLan("a ghost that nobody may clear on the LAN's broker", () => {
  const { lan, account, client } = suiteBroker("peer", "dev", ["prod", "third", "ci"]);

  it("is out of every roster once its owner does not answer, and its name is free", async ({ onTestFinished }) => {
    const stage = await prepareStage(lan().url(1883), onTestFinished);
    const dev = await stage.create("dev", account("dev"));
    const prod = await stage.join("prod", account("prod"));
    const ci = await stage.process();
    await ci.join(stage.processOptions("ci", { ...account("ci"), home: await stage.otherHome() }));
    for (const { peer } of [dev, prod]) await eventually(() => expect(peer.roster().length).toBe(3));

    // Who dies while the broker is down leaves an `online` record and no will.
    await lan().broker.kill();
    await ci.kill();
    await lan().broker.restart();
    for (const { peer } of [dev, prod]) {
      await eventually(() => expect(peer.roster().map(({ name }) => name)).toEqual(["dev", "prod"]), {
        timeoutMs: 18_000,
      });
    }
    const anybody = await client("third");
    await anybody.subscribe("pilink/+/+/presence");
    expect(JSON.parse((await anybody.waitFor(stage.topic("ci", "presence"))).text)).toMatchObject({ state: "online" });

    const third = await stage.join("third", account("third"));
    await stage.join("ci", { ...account("ci"), home: await stage.otherHome() });
    for (const { peer } of [dev, prod, third]) {
      await eventually(() => expect(peer.roster().map(({ name }) => name)).toEqual(["dev", "ci", "prod", "third"]));
    }
    expect(await dev.peer.send({ to: "ci", body: "welcome back" })).toMatchObject([{ state: "received" }]);
  }, 40_000);
});
