import { expect, it } from "vitest";
import { findNetworks } from "../../peer/networks.ts";
import { failureOf, prepareStage } from "../contract/stage.ts";
import { eventually } from "../support/eventually.ts";
import { describeLan } from "./suite.ts";
import { suiteBroker, tryTo } from "./suite-broker.ts";

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
      await tryTo(client("lab"), `pilink/shop/ann/${channel}`, "forbidden", options.retain);
      await tryTo(client("shop"), `pilink/lab/ann/${channel}`, "forbidden", options.retain);
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
    const found = await findNetworks({ home: stage.home, url: lan().url(1883), ...account("ci") });
    expect(found).toMatchObject([{ network: stage.network, host: "dev", isOpen: true, agents: 2 }]);
    await prod.peer.leave();
    await dev.until(({ name, value }) => name === "departed" && value.name === "prod");
  });

  it("lets nobody publish another's presence, nor read another's inbox, receipts or control", async () => {
    const [dev, prod] = [await client("dev"), await client("prod")];
    const topics = ["inbox", "receipts", "control"].map((channel) => `pilink/lab/dev/${channel}`);
    await dev.subscribe(...topics, "pilink/lab/dev/presence");
    await prod.subscribe("#", "pilink/lab/dev/#", "pilink/lab/+/presence", ...topics);
    await tryTo(client("prod"), "pilink/lab/dev/presence", "forged", true);
    await tryTo(client("prod"), "pilink/lab/dev/presence", "", true);
    for (const topic of topics) await prod.publish(topic, "to dev");
    await dev.publish("pilink/lab/dev/presence", "from dev", { retain: true });
    await prod.waitFor(({ text }) => text === "from dev");
    await eventually(() => dev.messages(({ text }) => text === "to dev").length === topics.length);
    expect(dev.messages("pilink/lab/dev/presence").map(({ text }) => text)).toEqual(["from dev"]);
    expect(prod.messages(({ topic }) => !topic.endsWith("/presence"))).toEqual([]);
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
});
