import { afterAll, beforeAll, expect, it } from "vitest";
import { bodyLimitBytes } from "../../protocol/envelope.ts";
import { failureOf, prepareStage } from "../contract/stage.ts";
import { stopEverything } from "../support/cleanup.ts";
import { eventually } from "../support/eventually.ts";
import { rawMqtt } from "../support/raw-mqtt.ts";
import { type Lan, startLan, teamPassword } from "./lan.ts";
import { describeLan } from "./suite.ts";

describeLan("the LAN's broker with one account for a team", () => {
  const account = { username: "pilink", password: teamPassword };
  let running: Lan | undefined;
  const lan = (): Lan => {
    if (running === undefined) throw new Error("The broker runs only inside of tests and hooks.");
    return running;
  };
  beforeAll(async () => {
    running = await startLan();
  });
  afterAll(stopEverything);

  it("refuses strangers on every port", async ({ onTestFinished }) => {
    const addresses = [lan().url(1883), lan().url(9001, "ws")];
    for (const url of addresses) {
      await expect(rawMqtt(url)).rejects.toThrow(/Not authorized/i);
      await expect(rawMqtt(url, { username: "pilink", password: "guess" })).rejects.toThrow(/Not authorized/i);
      await expect(rawMqtt(url, { username: "somebody", password: teamPassword })).rejects.toThrow(/Not authorized/i);
    }
    const stage = await prepareStage(lan().url(1883), onTestFinished);
    for (const part of [{}, { username: "pilink", password: "guess" }]) {
      const failure = await failureOf(stage.create("dev", part));
      expect(failure.code).toBe("broker-credentials");
      expect(failure.message).toContain("PILINK_USERNAME and PILINK_PASSWORD");
      expect(failure.message).not.toContain("guess");
    }
  });

  it("lets members talk, also over WebSocket, up to the largest body", async ({ onTestFinished }) => {
    const stage = await prepareStage(lan().url(1883), onTestFinished);
    const dev = await stage.create("dev", account);
    const prod = await stage.join("prod", { ...account, url: lan().url(9001, "ws") });
    await dev.until(({ name, value }) => name === "joined" && value.name === "prod");
    expect(await dev.peer.send({ to: "prod", body: "hello" })).toMatchObject([{ state: "received" }]);
    const body = "x".repeat(bodyLimitBytes - 2);
    expect(await prod.peer.send({ to: "dev", body })).toMatchObject([{ state: "received" }]);
    expect(prod.bodies()).toEqual(["hello"]);
    expect(dev.bodies()).toEqual([body]);
  });

  it("takes credentials that stand in the address", async ({ onTestFinished }) => {
    const { host } = new URL(lan().url(1883));
    const url = `mqtt://pilink:${encodeURIComponent(teamPassword)}@${host}`;
    const stage = await prepareStage(url, onTestFinished);
    const dev = await stage.create("dev");
    expect(dev.peer.status().url).toBe(`mqtt://${host}`);
  });

  it("ends the connection of who sends a packet that is too large", async () => {
    const sender = await rawMqtt(lan().url(1883), account);
    const closed = new Promise<void>((resolve) => sender.client.once("close", () => resolve()));
    sender.client.publish("pilink/lab/dev/inbox", Buffer.alloc(4 * 1024 * 1024), { qos: 1 }, () => undefined);
    await closed;
  });

  // Each message goes to the disk on its way: how long that takes is the disk's business.
  it("drops nothing of a long queue", { timeout: 120_000 }, async () => {
    const away = await rawMqtt(lan().url(1883), { ...account, clientId: "pl-away", clean: false });
    await away.subscribe("pilink/queue/dev/inbox");
    await away.close();
    const sender = await rawMqtt(lan().url(1883), account);
    await Promise.all(
      Array.from({ length: 1_500 }, (_, index) => sender.publish("pilink/queue/dev/inbox", `${index}`)),
    );
    const back = await rawMqtt(lan().url(1883), { ...account, clientId: "pl-away", clean: false });
    await eventually(() => back.received.length >= 1_500, { timeoutMs: 60_000 });
    expect(new Set(back.received.map(({ text }) => text)).size).toBe(1_500);
    await back.close();
    await (await rawMqtt(lan().url(1883), { ...account, clientId: "pl-away" })).close();
  });

  it("makes accounts anew from .env: a changed one loses its old name and password, others stay", async () => {
    const own = await startLan();
    await own.addAccount("guest", "guest-word");
    const enters = (username: string, password: string) => rawMqtt(own.url(1883), { username, password });
    await eventually(() => enters("guest", "guest-word"));
    const refused = await own.makeAccounts({ PILINK_USERNAME: "_health" });
    expect(refused).toMatchObject({ code: 1, output: expect.stringContaining("PILINK_USERNAME=_health") });
    expect((await own.makeAccounts({ PILINK_USERNAME: "crew", PILINK_PASSWORD: "new" })).code).toBe(0);
    await own.broker.restart();
    await enters("crew", "new");
    await enters("guest", "guest-word");
    await expect(enters("pilink", teamPassword)).rejects.toThrow(/Not authorized/i);
    expect(await own.checkHealth()).toBe(0);
    const guest = await enters("guest", "guest-word");
    const ended = new Promise<void>((resolve) => guest.client.once("close", () => resolve()));
    await own.removeAccount("guest");
    await ended;
    await expect(enters("guest", "guest-word")).rejects.toThrow(/Not authorized/i);
  });
});
