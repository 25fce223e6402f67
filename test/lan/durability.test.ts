import { readFile } from "node:fs/promises";
import { afterAll, expect, it } from "vitest";
import { prepareStage } from "../contract/stage.ts";
import { stopEverything } from "../support/cleanup.ts";
import { eventually } from "../support/eventually.ts";
import { rawMqtt } from "../support/raw-mqtt.ts";
import { startLan, teamPassword } from "./lan.ts";
import { describeLan } from "./suite.ts";

const account = { username: "pilink", password: teamPassword };

describeLan("the LAN's broker after a SIGKILL", () => {
  afterAll(stopEverything);

  it("still has every queue and every retained message", async () => {
    const lan = await startLan();
    const session = { ...account, clientId: "pl-away", clean: false };
    const away = await rawMqtt(lan.url(1883), session);
    await away.subscribe("pilink/lab/dev/inbox");
    await away.close();
    const sender = await rawMqtt(lan.url(1883), account);
    const texts = Array.from({ length: 101 }, (_, index) => `message ${index}.`);
    await sender.publish("pilink/lab/dev/presence", "a retained record", { retain: true });
    for (const text of texts) await sender.publish("pilink/lab/dev/inbox", text);
    // It writes within a moment of the last change, not before the acknowledgement.
    const database = lan.container.path("/mosquitto/data/mosquitto.db");
    await eventually(async () => (await readFile(database)).includes(texts.at(-1) ?? ""));
    await lan.broker.kill();
    await lan.broker.restart();
    const back = await rawMqtt(lan.url(1883), session);
    await eventually(() => expect(back.received.map(({ text }) => text)).toEqual(texts));
    await back.subscribe("pilink/+/+/presence");
    expect((await back.waitFor("pilink/lab/dev/presence")).text).toBe("a retained record");
  });

  it("has its peers back, in the same lives, and what they sent meanwhile arrives", async ({ onTestFinished }) => {
    const lan = await startLan();
    const stage = await prepareStage(lan.url(1883), onTestFinished);
    const dev = await stage.create("dev", account);
    const prod = await stage.join("prod", account);
    await dev.until(({ name, value }) => name === "joined" && value.name === "prod");
    await lan.broker.kill();
    await dev.until("disconnected");
    expect(await dev.peer.send({ to: "prod", body: "while it was away", waitMs: 0 })).toMatchObject([
      { state: "queued" },
    ]);
    await lan.broker.restart();
    await prod.until(({ name, value }) => name === "message" && value.body === "while it was away");
    expect(await prod.peer.send({ to: "dev", body: "all here" })).toMatchObject([{ state: "received" }]);
    expect([dev.peer.state, prod.peer.state]).toEqual(["active", "active"]);
  });
});
