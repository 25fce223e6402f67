import { dirname, join as joinPath } from "node:path";
import { describe, expect, test } from "vitest";
import { mosquittoInstalled, startMosquitto } from "../support/brokers.ts";
import { eventually } from "../support/eventually.ts";
import { ownExtension } from "../support/pi-home.ts";
import { create, injected, join, send, type, useStage } from "./stage.ts";

const stage = useStage();

describe("/pilink status", () => {
  test("shows network, broker, connection, delivery and what waits, on both sides", async () => {
    const [dev, prod] = await Promise.all([stage.start("dev"), stage.start("prod")]);
    await create(dev, "lab", '--about "fix login"');
    await join(prod, "lab");
    await send(dev, "prod", "look at this");
    await injected(prod, "look at this");
    const { message, type: kind } = await type(prod, "/pilink status", "Network");
    expect(kind).toBe("info");
    expect(message).toContain('Network "lab": active. Host: dev.');
    expect(message).toContain("About: fix login");
    expect(message).toMatch(/This agent: prod, member, since \d\d?:\d\d.*\. 2 agents here\./);
    expect(message).toMatch(new RegExp(`Broker: ${stage.url()} \\(managed\\), version \\d+\\.\\d+\\.\\d+\\.`));
    expect(message).toContain("Connection: local, connected.");
    expect(message).toContain("Delivery: inject. The model's messages go without a question.");
    expect(message).toContain(
      "Messages: 1 unread (/pilink inbox), 1 that the model has not read (/pilink go), 0 of them held, 0 on",
    );
    await prod.waitForStatus("pilink", (text) => text?.endsWith("1 unread") ?? false);

    await type(prod, "/pilink delivery hold dev", "hold now");
    await type(prod, "/pilink confirm on", "From now on");
    await send(dev, "prod", "held back");
    const held = await type(prod, "/pilink status", "Network");
    expect(held.message).toContain("Delivery: inject, another one for 1 agent (/pilink delivery).");
    expect(held.message).toContain("are shown to you first");
    expect(held.message).toMatch(/: 2 unread .*, 2 that the model has not read.*, 1 of them held/);
    await type(prod, "/pilink inbox", "2 unread messages");
    const read = await type(prod, "/pilink status", "Network");
    expect(read.message).toMatch(/: 0 unread, 2 that the model has not read.*, 1 of them held/);
    await prod.waitForStatus("pilink", (text) => text?.endsWith("2 agents") ?? false);
    await prod.kill();
    await dev.nextNotification("has lost its connection");
    await type(dev, "/pilink send prod later", "queued");
    expect((await type(dev, "/pilink status", "Network")).message).toContain("1 on their way to others");
    await type(dev, "/pilink status now", '"now" is too much');
  });

  const installed = mosquittoInstalled();
  const title = `tells the version of an external broker${installed ? "" : " (skipped: Mosquitto is not installed)"}`;
  if (!installed) process.stderr.write(`${title}\n`);
  test.skipIf(!installed && process.env.PILINK_REQUIRE_BROKERS !== "1")(title, async () => {
    const broker = await startMosquitto();
    const pi = await stage.start("guest", { env: { PILINK_URL: broker.url } });
    await create(pi, "lab");
    expect((await type(pi, "/pilink status", "Broker")).message).toMatch(/\(external\), mosquitto version \d/);
    await type(pi, "/pilink leave", "left");
  });
});

describe("/pilink agents", () => {
  test("shows who is here, what each is doing, where and since when, in short lines", async () => {
    const { dev, prod } = await stage.pair("lab");
    stage.model().script("prod", () => ({ text: "ok" }));
    const { message } = await type(dev, "/pilink agents", "2 agents");
    expect(message).toMatch(
      /^2 agents in the network "lab":\n {2}dev \(this agent, host\)\n {4}idle\n {4}.+ \/ dev \/ dev\n {4}since \d.*\n {2}prod\n/,
    );

    const agents = async () => (await type(dev, "/pilink agents", "2 agents")).message;
    const held = stage.model().hold("prod");
    const since = prod.mark();
    await prod.prompt("take your time");
    await held.request;
    await eventually(async () => expect(await agents()).toMatch(/ {2}prod\n {4}working\n/), { timeoutMs: 10_000 });
    held.release({ text: "done" });
    await prod.waitForEvent(({ type: kind }) => kind === "agent_settled", { since });
    await eventually(
      async () => expect(await agents()).toMatch(/ {2}prod\n {4}idle\n.*\n {4}since .* — context \d+ % used/),
      { timeoutMs: 10_000 },
    );

    await prod.kill();
    await dev.nextNotification("has lost its connection");
    expect(await agents()).toMatch(/ {2}prod \(offline, may return\)\n {4}suspended\n/);
    await type(dev, "/pilink agents all", '"all" is too much');
  });

  test("shows who was there last once the network is closed", async () => {
    const { dev, prod } = await stage.pair("gone");
    await dev.kill();
    await prod.nextNotification("This network is no longer available.");
    const { message, type: kind } = await type(prod, "/pilink agents", '"gone"');
    expect(kind).toBe("warning");
    expect(message).toMatch(/^The network "gone" is closed: .* 2 agents were there last:\n {2}dev \(host\)\n/);
    expect(message).toMatch(/\n {2}prod \(this agent\)\n/);
    expect(message).toContain("/pilink setup");
    expect(message).not.toMatch(/may return|suspended|idle/);
  });
});

describe("/pilink help", () => {
  test("shows the commands in groups, and each with its usage and an example", async () => {
    const pi = await stage.start("reader");
    const { message } = await type(pi, "/pilink help", "The network:");
    expect(message).toMatch(/Messages:\n {2}send +sends one/);
    expect(message).toContain("(or: disconnect)");
    for (const [word, expected] of [
      ["send", /^\/pilink send .*\n {2}Sends a message\..*\n {2}Example: \/pilink send prod /],
      ["disconnect", /^\/pilink leave .*\n.*\n {2}The same: \/pilink disconnect\n/],
      ["/pilink doctor", /^\/pilink doctor\n/],
    ] as const) {
      expect((await type(pi, `/pilink help ${word}`, expected)).type).toBe("info");
    }
    expect((await type(pi, "/pilink help frobnicate", '"frobnicate"')).type).toBe("error");
    expect((await type(pi, "/pilink help docter", "Did you mean /pilink doctor?")).type).toBe("error");
  });

  test("uses the command that can be typed, also in errors", async () => {
    const other = joinPath(dirname(ownExtension), "..", "test", "extension", "other-extension.ts");
    const pi = await stage.start("renamed", { extensions: [other, ownExtension] });
    const { message } = await type(pi, "/pilink-mqtt help send", "Example");
    expect(message).toMatch(/^\/pilink-mqtt send .*Example: \/pilink-mqtt send/s);
    expect(message).not.toMatch(/\/pilink /);
    await type(pi, "/pilink-mqtt agents", /no network\. Run \/pilink-mqtt /);
  });
});
