import { readFile, writeFile } from "node:fs/promises";
import { afterAll, expect, it } from "vitest";
import { stopEverything } from "../support/cleanup.ts";
import { eventually } from "../support/eventually.ts";
import { rawMqtt } from "../support/raw-mqtt.ts";
import { startLan, teamPassword } from "./lan.ts";
import { describeLan } from "./suite.ts";
import { tryTo } from "./suite-broker.ts";

describeLan("the health check of the LAN's broker", () => {
  afterAll(stopEverything);

  it("passes on a living broker, and fails on a frozen, a refusing and an ended one", async () => {
    const lan = await startLan();
    expect(await lan.checkHealth()).toBe(0);

    lan.broker.pause();
    expect(await lan.checkHealth()).not.toBe(0);
    lan.broker.resume();
    await eventually(async () => expect(await lan.checkHealth()).toBe(0));

    const accounts = lan.container.path("/mosquitto/data/accounts/passwords");
    const text = await readFile(accounts, "utf8");
    await writeFile(accounts, text.replace(/^_health:.*\n/m, ""));
    await lan.broker.restart();
    expect(await lan.checkHealth()).not.toBe(0);

    await lan.broker.stop();
    expect(await lan.checkHealth()).not.toBe(0);
  });

  it.each(["team", "network", "peer"])(
    "may read the one topic that it needs, and nothing else: %s",
    async (variant) => {
      // Its network, or its peer, where the user name names one.
      const lan = await startLan({ PILINK_LAN: variant, PILINK_USERNAME: "lab" });
      const secret = await readFile(lan.container.path("/mosquitto/data/accounts/mosquitto_sub"), "utf8");
      const password = /^-P (\S+)$/m.exec(secret)?.[1] ?? "";
      expect(password).toMatch(/^[0-9a-f]{32}$/);
      const account = { username: "_health", password };
      const health = await rawMqtt(lan.url(1883), account);
      const member = await rawMqtt(lan.url(1883), { username: "lab", password: teamPassword });
      const inbox = "pilink/lab/lab/inbox";
      await health.subscribe("#", "$SYS/#", "pilink/_health/#");
      await member.subscribe(inbox);
      for (const topic of [inbox, "pilink/lab/lab/presence", "pilink/_health/_health/presence"]) {
        await tryTo(rawMqtt(lan.url(1883), account), topic, "from the health check", topic !== inbox);
      }
      await member.subscribe("pilink/#");
      await member.publish(inbox, "from a member");
      await member.waitFor(({ text }) => text === "from a member");
      expect(member.received.map(({ text }) => text)).not.toContain("from the health check");
      await health.waitFor("$SYS/broker/uptime");
      expect(new Set(health.received.map(({ topic }) => topic))).toEqual(new Set(["$SYS/broker/uptime"]));
    },
  );
});
