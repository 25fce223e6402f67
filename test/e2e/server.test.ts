import { writeFile } from "node:fs/promises";
import { join as joinPath } from "node:path";
import { describe, expect, test } from "vitest";
import { freePort } from "../support/network.ts";
import { brokerPid, create, type, useStage } from "./stage.ts";

describe("/pilink server", () => {
  const stage = useStage();

  test("tells port, process, uptime, clients and memory", async () => {
    const dev = await stage.start("dev");
    expect((await type(dev, "/pilink server status", "No managed broker")).message).toContain("/pilink server start");
    const started = await type(dev, "/pilink server start", "Started the managed broker");
    const pid = await brokerPid(stage);
    const { port } = new URL(stage.url());
    expect(started.message).toContain(`(port ${port}, pid ${pid})`);
    expect((await type(dev, "/pilink server start", "already runs")).message).toContain(`pid ${pid}`);
    const status = await type(dev, "/pilink server status", "managed broker runs");
    expect(status.message).toMatch(
      new RegExp(
        `port ${port}, pid ${pid}, version \\d+\\.\\d+\\.\\d+\\)\\. Up for \\d+ (s|min), 0 clients, \\d+ MB of memory`,
      ),
    );
    // Nobody is cut off: nobody is asked.
    await type(dev, "/pilink server stop", "Stopped the managed broker");
    await type(dev, "/pilink server stop", "No managed broker runs");
    expect(dev.dialogs).toEqual([]);
  });

  test("names each managed broker that runs, and which one this agent uses", async () => {
    const dev = await stage.start("dev");
    await create(dev, "lab");
    const url = `mqtt://127.0.0.1:${await freePort()}`;
    const other = await stage.start("other");
    await create(other, "apart", `--url ${url}`);
    const { message } = await type(other, "/pilink server status", "managed broker runs");
    const [own, second, ...rest] = message.split("\n");
    expect(rest).toEqual([]);
    expect(own).toMatch(
      new RegExp(`^A managed broker runs at ${stage.url()} .* \\(the one that is used where no other is named\\)$`),
    );
    expect(second).toMatch(new RegExp(`^A managed broker runs at ${url} .* 1 client, .* \\(this agent uses it\\)$`));
    expect((await type(dev, "/pilink server status", "managed broker runs")).message.split("\n")[0]).toContain(
      "; this agent uses it)",
    );
    expect((await type(other, `/pilink server status --url ${url}`, "The managed broker runs")).message).not.toContain(
      stage.url(),
    );
    const report = await type(dev, "/pilink doctor", "pilink doctor:");
    expect(report.message).toContain(`another managed broker runs too: ${url} (pid `);
    await type(other, `/pilink server stop --url ${url} --yes`, "Stopped the managed broker");
    const alone = await type(other, "/pilink server status", "managed broker runs");
    expect(alone.message).toMatch(new RegExp(`^The managed broker runs at ${stage.url()} `));
  });

  test("is not started by a join where nothing listens", async () => {
    const dev = await stage.start("dev");
    const lone = await stage.start("lone");
    await create(dev, "lab");
    const url = `mqtt://127.0.0.1:${await freePort()}`;
    const refused = await type(
      lone,
      `/pilink join lab --url ${url}`,
      `Nothing listens at ${url}: no broker runs there.`,
    );
    expect(refused).toMatchObject({
      type: "error",
      message: expect.stringContaining("Check the port; /pilink create"),
    });
    expect((await type(lone, `/pilink server status --url ${url}`, "No managed broker runs")).type).toBe("info");
    await create(lone, "lab", `--url ${url}`);
    await type(lone, `/pilink server stop --url ${url} --yes`, "Stopped the managed broker");
  });

  test("asks before it cuts others off, names the networks, and does what is answered", async () => {
    const { dev, prod } = await stage.pair("lab");
    const lone = await stage.start("lone");
    const pid = await brokerPid(stage);
    lone.answerDialog(() => false);
    await type(lone, "/pilink server stop", "still runs");
    lone.answerDialog(() => null);
    await type(lone, "/pilink server stop", "still runs");
    expect(lone.dialogs.map(({ title }) => title)).toEqual([
      expect.stringMatching(/cuts off 2 other clients and ends the network "lab" \(host dev, 2 agents\)/),
      expect.stringMatching(/2 other clients/),
    ]);
    expect(await brokerPid(stage)).toBe(pid);
    expect((await type(dev, "/pilink agents", "2 agents")).type).toBe("info");

    // A client of the broker is not asked about itself.
    dev.answerDialog(() => true);
    await type(dev, "/pilink server stop", "Stopped the managed broker");
    expect(dev.dialogs.map(({ title }) => title)).toEqual([expect.stringMatching(/cuts off 1 other client /)]);
    await prod.nextNotification("This network is no longer available.");
  });

  test("stops without a question when told so", async () => {
    const { dev } = await stage.pair("lab");
    await type(dev, "/pilink server stop --yes", "Stopped the managed broker");
    expect(dev.dialogs).toEqual([]);
    const { message } = await type(dev, "/pilink status", 'Network "lab"');
    expect(message).toContain(`Broker: ${stage.url()} (managed), not reached at the moment.`);
  });

  test("asks where a broker does not answer, because nobody knows who is connected", async () => {
    const dev = await stage.start("dev");
    await create(dev, "lab");
    const lone = await stage.start("lone");
    const pid = await brokerPid(stage);
    process.kill(pid, "SIGSTOP");
    lone.answerDialog(() => true);
    expect((await type(lone, "/pilink server status", "does not answer")).message).toContain("/pilink doctor");
    await type(lone, "/pilink server stop", "Stopped the managed broker");
    expect(lone.dialogs.map(({ title }) => title)).toEqual([
      expect.stringMatching(/does not answer, so it is not known/),
    ]);
  });

  test("says of every wrong line what is wrong with it", async () => {
    const pi = await stage.start("wrong");
    for (const [line, expected] of [
      ["server", /What should the server do\? Usage/],
      ["server dance", /no action "dance"/],
      ["server status now", /"now" is too much/],
      ["server start --url http://h", /http/],
      ["server start --port 1", /--port/],
    ] as const) {
      expect((await type(pi, `/pilink ${line}`, expected)).type).toBe("error");
    }
    await writeFile(joinPath(pi.cwd, ".pilink.json"), "{");
    expect((await type(pi, "/pilink server status", /\.pilink\.json.*no JSON/)).type).toBe("error");
  });
});
