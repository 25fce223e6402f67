import { expect, it } from "vitest";
import { prepareStage } from "../contract/stage.ts";
import { eventually } from "../support/eventually.ts";
import { describeLan } from "./suite.ts";
import { suiteBroker } from "./suite-broker.ts";

describeLan("a ghost that nobody may clear on the LAN's broker", () => {
  const others = ["prod", "third", "ci"];
  const { lan, account, client } = suiteBroker("peer", "dev", others);
  // One that may be killed while the other tests run.
  const mortal = suiteBroker("peer", "dev", others);

  it.concurrent("is out of every roster once its owner does not answer, and its name is free", async ({
    onTestFinished,
  }) => {
    const stage = await prepareStage(mortal.lan().url(1883), onTestFinished);
    const dev = await stage.create("dev", account("dev"));
    const prod = await stage.join("prod", account("prod"));
    const ci = await stage.process();
    await ci.join(stage.processOptions("ci", { ...account("ci"), home: await stage.otherHome() }));
    for (const { peer } of [dev, prod]) await eventually(() => expect(peer.roster().length).toBe(3));

    // Who dies while the broker is down leaves an `online` record and no will.
    await mortal.lan().broker.kill();
    await ci.kill();
    await mortal.lan().broker.restart();
    for (const { peer } of [dev, prod]) {
      await eventually(() => expect(peer.roster().map(({ name }) => name)).toEqual(["dev", "prod"]), {
        timeoutMs: 45_000,
      });
    }
    const anybody = await mortal.client("third");
    await anybody.subscribe("pilink/+/+/presence");
    expect(JSON.parse((await anybody.waitFor(stage.topic("ci", "presence"))).text)).toMatchObject({ state: "online" });

    const third = await stage.join("third", account("third"));
    await stage.join("ci", { ...account("ci"), home: await stage.otherHome() });
    for (const { peer } of [dev, prod, third]) {
      await eventually(() => expect(peer.roster().map(({ name }) => name)).toEqual(["dev", "ci", "prod", "third"]));
    }
    expect([dev.count("disconnected"), dev.peer.status().rejected]).toEqual([1, {}]);
    expect(await dev.peer.send({ to: "ci", body: "welcome back" })).toMatchObject([{ state: "received" }]);
  }, 60_000);

  it.concurrent("frees the name of a network and of a host that its members saw die", async ({ onTestFinished }) => {
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

  it.concurrent("does not hinder the next host, nor end its connection", async ({ onTestFinished }) => {
    const stage = await prepareStage(lan().url(1883), onTestFinished);
    const host = await stage.process();
    await host.create(
      stage.processOptions("ci", { ...account("ci"), home: await stage.otherHome(), closingMs: 1_000 }),
    );
    await host.kill();
    const dev = await stage.create("dev", { ...account("dev"), closingMs: 1_000 });
    const third = await stage.join("third", account("third"));
    await dev.until(({ name, value }) => name === "joined" && value.name === "third");
    const anybody = await client("prod");
    await anybody.subscribe("pilink/+/+/presence");
    expect(JSON.parse((await anybody.waitFor(stage.topic("ci", "presence"))).text)).toMatchObject({ state: "lost" });
    expect(dev.count("disconnected")).toBe(0);
    expect(third.peer.net).toBe(dev.peer.net);
  });
});
