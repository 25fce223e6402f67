import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { afterEach, describe, expect, test } from "vitest";
import { mosquittoInstalled, startMosquitto } from "../support/brokers.ts";
import { guardProcess, stopEverything } from "../support/cleanup.ts";
import { liveProcesses } from "../support/live-processes.ts";
import { rawMqtt } from "../support/raw-mqtt.ts";
import { allText, lastUserText, type ModelReply, type ModelRequest, toolResults } from "../support/scripted-model.ts";
import { create, framesIn, injected, join, type, useStage } from "./stage.ts";

const question = "Can you review the diff of the login fix?";
const answer = "Reviewed: the login fix is fine, ship it.";
const tools = ["pilink_agents", "pilink_send"];

function playDev(request: ModelRequest): ModelReply {
  const result = toolResults(request).at(-1);
  if (result !== undefined) return { text: `Done. ${result}` };
  if (!lastUserText(request).includes("Ask prod")) return { text: "Understood." };
  return { toolCalls: [{ name: "pilink_send", arguments: { to: "prod", body: question } }] };
}

function playProd(request: ModelRequest): ModelReply {
  const result = toolResults(request).at(-1);
  if (result !== undefined) return { text: `Answered. ${result}` };
  const id = /Message id: ([\w-]+)/.exec(allText(request))?.[1];
  if (id === undefined || !lastUserText(request).includes("act on")) return { text: "Nothing to do." };
  return { toolCalls: [{ name: "pilink_send", arguments: { to: "dev", body: answer, re: id } }] };
}

function ownTools(request: ModelRequest): string[] {
  return request.tools.filter((name) => name.startsWith("pilink")).sort();
}

describe("the story", () => {
  const stage = useStage();

  test("two agents talk: create, join, send, go, answer, and the end of the host [SESS-1] [SESS-2] [SESS-4] [SESS-5] [SESS-10] [END-6]", async () => {
    stage.model().script("dev", playDev);
    stage.model().script("prod", playProd);
    const [dev, prod] = await Promise.all([stage.start("dev"), stage.start("prod")]);

    expect(ownTools(await stage.ask(dev, "hello"))).toEqual([]);
    const created = await create(dev, "lab", '--role "backend" --about "fix login"');
    expect(created).toMatchObject({ type: "info" });
    expect(created.message).toContain(`/pilink join lab --url ${stage.url()}`);
    expect(created.message).toMatch(/mosquitto_sub .*'pilink\/lab\/#'/);
    const joined = await join(prod, "lab");
    expect(joined.message).toMatch(/"lab" as "prod".*dev.*fix login/s);
    expect((await dev.nextNotification('"prod"')).message).toContain('"lab"');
    const agents = await type(prod, "/pilink agents", '"lab"');
    expect(agents.message).toMatch(/dev \(host\).*backend/);
    await dev.waitForStatus("pilink", (text) => text?.includes("2 agents") ?? false);

    // dev's model sends; its tool call answers with what happened.
    const done = await stage.ask(dev, "Ask prod to review the diff.");
    expect(ownTools(done)).toEqual(tools);
    expect(toolResults(done).join()).toMatch(/^prod: received \(id [\w-]+\)(, and put into its session)?\.$/);
    const record = await injected(prod, question);
    expect(record.message).toMatchObject({ display: true, details: { from: "dev", to: "prod", body: question, v: 1 } });
    expect(stage.requests("prod")).toEqual([]);
    await prod.waitForStatus("pilink", (text) => text?.includes("1 unread") ?? false);

    // prod's user lets its model act; it answers with `re`.
    const atDev = dev.mark();
    const since = prod.mark();
    await type(prod, "/pilink go", "dev");
    await prod.waitForEvent(({ type: kind }) => kind === "agent_settled", { since });
    const asked = stage.requests("prod")[0] ?? expect.fail("prod's model was not asked");
    const [about = "", frame = "", ...others] = framesIn(asked);
    expect(about).toContain("fix login");
    expect(others).toEqual([]);
    const [, id] =
      /Message from the agent "dev" in the network "lab"\. Message id: ([\w-]+)\. Type: message\./.exec(frame) ?? [];
    expect(frame).toMatch(/carries no authority of your user/);
    expect(frame).toMatch(
      new RegExp(`----- begin (\\w+) -----\\n${question.replace("?", "\\?")}\\n----- end \\1 -----$`),
    );
    expect(allText(asked)).not.toMatch(/"(dev|prod)"[^.]* joined the network|receipt/);
    const told = await injected(dev, answer, atDev);
    expect(told.message).toMatchObject({ details: { from: "prod", re: id, hops: 1 } });
    await prod.waitForStatus("pilink", (text) => !text?.includes("unread"));
    const read = await stage.ask(dev, "What did prod say?");
    expect(framesIn(read).map((text) => text.includes(`It answers message ${id}.`))).toEqual([true]);
    expect(framesIn(read).join()).toContain(answer);

    // The host dies; prod is told at once, and its next message is refused.
    const killed = prod.mark();
    const killedMs = performance.now();
    const notice = prod.nextNotification("This network is no longer available. Run /pilink setup", { since: killed });
    await dev.kill();
    const { atMs, message } = await notice;
    expect(message).toContain('"lab"');
    expect(atMs - killedMs).toBeLessThan(1_000);
    const refused = await type(prod, "/pilink send dev are you there?", /network/);
    expect(refused).toMatchObject({ type: "error" });
    expect(refused.message).toMatch(/"lab".*(ended|no longer|closed)/i);
    expect(ownTools(await stage.ask(prod, "anything else?"))).toEqual([]);

    await type(prod, "/pilink leave", '"lab"');
    await prod.waitForStatus("pilink", (text) => text === undefined);
    expect((await type(prod, "/pilink status", "no network")).type).toBe("info");
  });

  test("the tools are there only while an agent is in a network", async () => {
    stage.model().script("solo", () => ({ text: "ok" }));
    const solo = await stage.start("solo");
    for (const network of ["first", "second"]) {
      expect(ownTools(await stage.ask(solo, "outside"))).toEqual([]);
      await create(solo, network);
      const request = await stage.ask(solo, "inside");
      expect(ownTools(request)).toEqual(tools);
      for (const name of tools) expect(request.toolDescriptions.get(name)?.length).toBeGreaterThan(60);
      await type(solo, "/pilink leave", `left the network "${network}"`);
    }
    expect(ownTools(await stage.ask(solo, "outside again"))).toEqual([]);
  });
});

describe("npm start", () => {
  afterEach(stopEverything);
  const main = fileURLToPath(new URL("../../demo/main.ts", import.meta.url));

  async function play(args: string[]): Promise<{ output: string; home: string }> {
    const startedMs = performance.now();
    const child = spawn(process.execPath, [main, ...args], { stdio: ["ignore", "pipe", "pipe"] });
    if (child.pid !== undefined) guardProcess(child.pid);
    const output = collect(child);
    const [code] = await once(child, "close");
    const home = /What they keep is in (\S+),/.exec(output())?.[1] ?? expect.fail(output());
    expect({ code, output: output() }).toMatchObject({ code: 0 });
    expect(performance.now() - startedMs).toBeLessThan(30_000);
    expect(await liveProcesses(home)).toEqual([]);
    expect(existsSync(home)).toBe(false);
    return { output: output(), home };
  }

  test("shows it within 30 s and leaves nothing running", { timeout: 40_000 }, async () => {
    const { output } = await play([]);
    for (const step of ["/pilink join lab", "carries no authority", "with re", "SIGKILL", "everything"])
      expect(output).toContain(step);
    expect(output).toMatch(/host is offline|no longer available/);
    expect(output.match(/ ms$/gm)?.length).toBeGreaterThan(4);
  });

  const installed = mosquittoInstalled();
  const required = process.env.PILINK_REQUIRE_BROKERS === "1";
  const title = `the same over a broker that is already there${installed ? "" : " (skipped: Mosquitto is not installed)"}`;
  if (!installed) process.stderr.write(`${title}\n`);
  test.skipIf(!installed && !required)(title, { timeout: 40_000 }, async () => {
    const broker = await startMosquitto();
    const watcher = await rawMqtt(broker.url);
    await watcher.subscribe("pilink/#");
    const { output } = await play(["--external", broker.url]);
    expect(output).toContain(`They talk over the broker at ${broker.url}.`);
    for (const name of ["dev", "prod"]) {
      const letters = watcher.messages(
        ({ topic, text }) => topic === `pilink/lab/${name}/inbox` && text.includes('"body"'),
      );
      expect(letters).toHaveLength(1);
    }
    for (const { text } of watcher.received.filter(({ text }) => text !== "")) {
      expect(JSON.parse(text)).toMatchObject({ v: 1 });
    }
  });
});

function collect({ stdout, stderr }: ChildProcess): () => string {
  let text = "";
  for (const stream of [stdout, stderr]) {
    stream?.on("data", (chunk: Buffer) => {
      text += chunk.toString("utf8");
    });
  }
  return () => text;
}
