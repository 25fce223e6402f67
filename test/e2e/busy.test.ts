import { mkdir, writeFile } from "node:fs/promises";
import { join as joinPath } from "node:path";
import { describe, expect, test } from "vitest";
import { eventually } from "../support/eventually.ts";
import { lastUserText } from "../support/scripted-model.ts";
import { bodiesIn, create, injected, join, send, type, useStage } from "./stage.ts";

describe("an agent that is busy", () => {
  const stage = useStage();

  test("gets what arrives after its turn, in order and once, and starts nothing [SESS-5] [DEL-14]", async () => {
    const { dev, prod } = await stage.pair("lab");
    const held = stage.model().hold("prod");
    await prod.prompt("think for long");
    await held.request;
    const texts = ["first", "second", "third"].map((word) => `${word} while you work`);
    for (const text of texts) await send(dev, "prod", text);
    expect(stage.requests("prod")).toHaveLength(1);
    held.release({ text: "that was hard" });
    await prod.settled();
    for (const text of texts) await injected(prod, text);
    expect(stage.requests("prod")).toHaveLength(1);
    expect(bodiesIn(await stage.ask(prod, "what came?"))).toEqual(texts);
  });

  test("is given what waits as one turn after its own when its user says go", async () => {
    const { dev, prod } = await stage.pair("lab");
    const before = stage.requests("prod").length;
    const held = stage.model().hold("prod");
    await prod.prompt("think for long");
    await held.request;
    const texts = ["please", "and also"];
    for (const text of texts) await send(dev, "prod", text);
    const go = await type(prod, "/pilink go", "dev");
    expect(go.message).toContain("2 messages from dev");
    held.release();
    await prod.settled();
    const requests = stage.requests("prod").slice(before);
    expect(requests.map(bodiesIn)).toEqual([[], texts]);
    expect(lastUserText(requests[1] ?? expect.fail("no second request"))).toMatch(/act on the 2 messages/);
    expect((await type(prod, "/pilink go", "No message waits")).type).toBe("info");
    expect(stage.requests("prod").slice(before)).toHaveLength(2);
  });

  test("sends in the middle of a run that was begun by a message [SESS-10]", async () => {
    const { dev, prod } = await stage.pair("lab");
    await send(dev, "prod", "pass it on");
    let body = "passed on";
    stage
      .model()
      .script("prod", (request) =>
        request.messages.at(-1)?.role === "tool"
          ? { text: "done" }
          : { toolCalls: [{ name: "pilink_send", arguments: { to: ["dev", "nobody"], body } }] },
      );
    const since = prod.mark();
    await type(prod, "/pilink go", "dev");
    await prod.waitForEvent(({ type: kind }) => kind === "agent_settled", { since });
    const record = await injected(dev, "passed on");
    expect(record.message).toMatchObject({ details: { hops: 1, re: null } });
    // For several receivers one line each, and no error as long as it reached one of them.
    const result = stage.requests("prod").at(-1)?.messages.at(-1)?.text;
    expect(result).toMatch(/^dev: received \(id [\w-]+\)[\w, ]*\.\nnobody: refused\. .*"nobody"/);
    // What the person asks for begins a chain of its own.
    body = "passed on once more";
    await prod.promptAndSettle("tell dev something else");
    const second = await injected(dev, body);
    expect(second.message).toMatchObject({ details: { hops: 0 } });
    stage.model().script("prod", () => ({ text: "ok" }));
  });

  test("that compacts gets nothing meanwhile, and everything in order afterwards [SESS-6] [SESS-7]", async () => {
    const folder = joinPath(stage.home().path, "pi-agents", "small");
    await mkdir(folder, { recursive: true });
    await writeFile(joinPath(folder, "settings.json"), JSON.stringify({ compaction: { keepRecentTokens: 1 } }));
    const [dev, small] = await Promise.all([stage.start("dev"), stage.start("small")]);
    await create(dev, "lab");
    await join(small, "lab");
    for (const text of ["a first prompt", "a second prompt"])
      await small.promptAndSettle(`${text} ${"word ".repeat(200)}`);

    const held = stage.model().hold("small");
    const compacted = small.command({ type: "compact" }, 20_000);
    await held.request;
    const texts = ["one while compacting", "two while compacting"];
    for (const text of texts) {
      expect((await send(dev, "small", text)).message).toContain("small: received");
    }
    expect((await type(small, "/pilink go", "compacted")).type).toBe("error");
    expect(JSON.stringify(await small.messages())).not.toContain("while compacting");
    held.release({ text: "a summary" });
    await compacted;
    for (const text of texts) await injected(small, text);
    expect(bodiesIn(await stage.ask(small, "what came?"))).toEqual(texts);
  });
});

describe("an agent that starts turns by itself", () => {
  const stage = useStage();

  test("compacts first, and starts one turn on what came meanwhile [SESS-6] [SESS-14]", async () => {
    const folder = joinPath(stage.home().path, "pi-agents", "small");
    await mkdir(folder, { recursive: true });
    await writeFile(joinPath(folder, "settings.json"), JSON.stringify({ compaction: { keepRecentTokens: 1 } }));
    const [dev, small] = await Promise.all([stage.start("dev"), stage.start("small")]);
    await create(dev, "lab");
    await join(small, "lab");
    for (const text of ["a first prompt", "a second prompt"])
      await small.promptAndSettle(`${text} ${"word ".repeat(200)}`);
    await type(small, "/pilink delivery turn dev", "is turn now");
    const held = stage.model().hold("small");
    const compacted = small.command({ type: "compact" }, 20_000);
    await held.request;
    const texts = ["one while compacting", "two while compacting"];
    for (const text of texts) await send(dev, "small", text);
    const before = stage.requests("small").length;
    held.release({ text: "a summary" });
    await compacted;
    await stage.model().waitForRequest((request) => bodiesIn(request).length > 0);
    await small.settled();
    // Pi may ask more than once for its summary.
    const requests = stage.requests("small").slice(before).map(bodiesIn);
    expect(requests.filter((bodies) => bodies.length > 0)).toEqual([texts]);
  });

  test("is given an answer also where its person ends the run before it could come into it [SESS-7]", async () => {
    const { dev, prod } = await stage.pair("lab-abort");
    await type(dev, "/pilink delivery turn prod", 'Delivery for "prod"');
    await send(dev, "prod", "which version?");
    await injected(prod, "which version?");
    const held = stage.model().hold("dev");
    await dev.prompt("think for long");
    await held.request;
    const before = stage.requests("dev").length;
    // A message that waits in Pi's own queue would be told as injected, and is dropped by Esc.
    expect((await type(prod, "/pilink reply it is 1.2.3", /dev: \w+ \(id/)).message).toMatch(
      /received \(id [\w-]+\)\.$/,
    );
    await dev.command({ type: "abort" });
    await stage.model().waitForRequest((request) => bodiesIn(request).includes("it is 1.2.3"));
    await dev.settled();
    expect(stage.requests("dev").slice(before).map(bodiesIn)).toEqual([["it is 1.2.3"]]);
    held.release();
  });

  test("has not read what was in a request that failed [SESS-9]", async () => {
    const { dev, prod } = await stage.pair("lab-failing");
    await send(dev, "prod", "read me");
    await injected(prod, "read me");
    stage.model().script("prod", () => ({ failWith: 400 }));
    await stage.ask(prod, "what came?");
    await send(dev, "prod", "and me");
    expect((await type(dev, "/pilink sent", "sent by")).message).toMatch(/in its session — read me/);
    stage.model().script("prod", () => ({ text: "ok" }));
    await stage.ask(prod, "and now?");
    await eventually(async () =>
      expect((await type(dev, "/pilink sent", "sent by")).message).toMatch(/read by its model — read me/),
    );
  });

  test("is given a message that a former session's model has read, where its user names it", async () => {
    const { dev, prod } = await stage.pair("lab-former");
    await send(dev, "prod", "read me twice");
    await injected(prod, "read me twice");
    expect(bodiesIn(await stage.ask(prod, "what came?"))).toEqual(["read me twice"]);
    const id = /\[([\w-]+)\]/.exec((await type(prod, "/pilink inbox all", "read me twice")).message)?.[1];
    await prod.newSession();
    const after = stage.requests("prod").length;
    await type(prod, `/pilink go ${id}`, "1 message from dev");
    await eventually(() => stage.requests("prod").length > after);
    await prod.settled();
    expect(bodiesIn(stage.requests("prod").at(-1) ?? expect.fail("no request"))).toEqual(["read me twice"]);
  });

  test("is known to be at work where it entered in the middle of a run", async () => {
    const [dev, prod] = await Promise.all([stage.start("dev"), stage.start("prod")]);
    await create(dev, "lab-late");
    const held = stage.model().hold("prod");
    await prod.prompt("think for long");
    await held.request;
    await join(prod, "lab-late");
    await eventually(async () =>
      expect((await type(dev, "/pilink agents", "2 agents")).message).toMatch(/prod[\s\S]*working/),
    );
    held.release();
    await prod.settled();
  });

  test("gets what arrives around /new once, in the session that is there then [SESS-8]", async () => {
    const { dev, prod } = await stage.pair("lab-new");
    await type(prod, "/pilink delivery turn dev", "is turn now");
    const held = stage.model().hold("prod");
    await prod.prompt("think for long");
    await held.request;
    await send(dev, "prod", "before the new session");
    const renewed = prod.newSession();
    await send(dev, "prod", "during it");
    await renewed;
    await send(dev, "prod", "after it");
    held.release();
    const last = await stage.model().waitForRequest((request) => bodiesIn(request).includes("after it"));
    await prod.settled();
    expect(last.modelId).toBe("prod");
    expect(bodiesIn(stage.requests("prod").at(-1) ?? expect.fail("no request"))).toEqual([
      "before the new session",
      "during it",
      "after it",
    ]);
  });
});
