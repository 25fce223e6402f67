import { readFile, rm, writeFile } from "node:fs/promises";
import { join as joinPath } from "node:path";
import { describe, expect, test } from "vitest";
import { eventually } from "../support/eventually.ts";
import type { ModelReply, ModelRequest } from "../support/scripted-model.ts";
import { bodiesIn, create, framesIn, injected, join, send, type, useStage } from "./stage.ts";

/** Answers each message that is given to the model, and ends where it has nothing new. */
function answerAlways(): (request: ModelRequest) => ModelReply {
  const answered = new Set<string>();
  return (request) => {
    const frame = framesIn(request).findLast((text) => !answered.has(idOf(text)));
    if (frame === undefined || request.messages.at(-1)?.role === "tool") return { text: "nothing to do" };
    const id = idOf(frame);
    answered.add(id);
    const from = /agent "([^"]+)"/.exec(frame)?.[1] ?? "";
    return { toolCalls: [{ name: "pilink_send", arguments: { to: from, body: `an answer to ${id}`, re: id } }] };
  };
}

function idOf(frame: string): string {
  return /Message id: ([\w-]+)/.exec(frame)?.[1] ?? "";
}

describe("delivery", () => {
  const stage = useStage();

  test("turn: an idle agent acts on a message at once", async () => {
    const { dev, prod } = await stage.pair("lab");
    stage.model().script("prod", answerAlways());
    expect((await type(prod, "/pilink delivery turn", "Delivery is turn now")).type).toBe("info");
    await send(dev, "prod", "what is your state?");
    await injected(dev, "an answer to");
    // In dev nothing has started: its person has not asked for it.
    expect(stage.requests("dev")).toEqual([]);
    stage.model().script("prod", () => ({ text: "ok" }));
    await type(prod, "/pilink delivery inject", "Delivery is inject now");
  });

  test("turn: a busy agent gets 200 messages in order, once, in a bounded number of turns [SESS-14]", async () => {
    const { dev, prod } = await stage.pair("lab");
    await type(prod, "/pilink delivery turn dev", 'Delivery for "dev" in the network "lab" is turn now');
    const before = stage.requests("prod").length;
    const held = stage.model().hold("prod");
    await prod.prompt("think for long");
    await held.request;
    const texts = Array.from({ length: 200 }, (_, number) => `number ${number}.`);
    for (const text of texts) await type(dev, `/pilink send prod ${text}`, /: received \(id/);
    held.release();
    await eventually(() => stage.requests("prod").length > before + 1);
    await prod.settled();
    const requests = stage.requests("prod").slice(before);
    expect(bodiesIn(requests.at(-1) ?? expect.fail("no request"))).toEqual(texts);
    // The one that was held, and one for all that came meanwhile.
    expect(requests.length).toBeLessThanOrEqual(3);
  }, 120_000);

  test("turn: an answer to what a run asked comes into that run", async () => {
    const { dev, prod } = await stage.pair("lab");
    await type(dev, "/pilink delivery turn prod", 'Delivery for "prod"');
    const asked = Promise.withResolvers<void>();
    const answered = Promise.withResolvers<void>();
    let step = 0;
    stage.model().script("dev", async () => {
      step += 1;
      if (step === 1)
        return { toolCalls: [{ name: "pilink_send", arguments: { to: "prod", body: "which version?" } }] };
      if (step === 2) {
        asked.resolve();
        await answered.promise;
        return { toolCalls: [{ name: "pilink_agents", arguments: {} }] };
      }
      return { text: "done" };
    });
    await dev.prompt("find out the version");
    await asked.promise;
    await injected(prod, "which version?");
    await type(prod, "/pilink reply it is 1.2.3", /dev: received \(id/);
    answered.resolve();
    await dev.settled();
    // The request after the tool call has it, and no other one was needed.
    expect(step).toBe(3);
    expect(bodiesIn(stage.requests("dev").at(-1) ?? expect.fail("no request"))).toEqual(["it is 1.2.3"]);
    stage.model().script("dev", () => ({ text: "ok" }));
  });

  test("hold: a notice and the inbox only, until the person says go", async () => {
    const { dev, prod } = await stage.pair("lab");
    await type(prod, "/pilink delivery hold dev", "messages wait in the inbox");
    const since = prod.mark();
    for (const word of ["one", "two"]) await send(dev, "prod", `please read ${word}`);
    await prod.nextNotification(/messages? from dev in the network "lab" (is|are) held/, { since });
    await prod.waitForStatus("pilink", (text) => text?.includes("2 unread") === true);
    expect(bodiesIn(await stage.ask(prod, "anything new?"))).not.toContain("please read one");
    const inbox = await type(prod, "/pilink inbox", "2 unread messages");
    expect(inbox.message).toMatch(/please read one\n {4}\[[\w-]+\]\n.*please read two/);
    await prod.waitForStatus("pilink", (text) => text?.includes("unread") === false);
    await type(prod, "/pilink go", "2 messages from dev");
    await prod.settled();
    expect(bodiesIn(stage.requests("prod").at(-1) ?? expect.fail("no request"))).toEqual([
      "please read one",
      "please read two",
    ]);
    await eventually(async () =>
      /read by its model — please read two/.test((await type(dev, "/pilink sent", "sent by")).message),
    );
  });

  test("block: the sender is told, and nothing arrives [DEL-20]", async () => {
    const { dev, prod } = await stage.pair("lab");
    await type(prod, "/pilink delivery block dev", "messages are refused, and their sender is told");
    const refused = await type(dev, "/pilink send prod let me in", /prod: denied/);
    expect(refused).toMatchObject({ type: "error", message: expect.stringContaining("takes no messages") });
    await type(prod, "/pilink delivery inject dev", "inject now");
    // What comes after it does not wait for what was refused.
    await send(dev, "prod", "and now?");
    await injected(prod, "and now?");
    expect(JSON.stringify(await prod.messages())).not.toContain("let me in");
  });

  test("default: takes back what was set for one agent", async () => {
    const { dev, prod } = await stage.pair("lab");
    const file = joinPath(stage.broker().home, "config.json");
    const saved = async () => JSON.parse(await readFile(file, "utf8")).deliveries?.["lab/dev"];
    await type(prod, "/pilink delivery block dev", "block now");
    await type(dev, "/pilink send prod let me in", /prod: denied/);
    expect(await saved()).toBe("block");
    const back = await type(prod, "/pilink delivery default dev", "is that of all again, inject");
    expect(back.message).toContain("messages appear in the session");
    expect(await saved()).toBeUndefined();
    await send(dev, "prod", "and now?");
    await injected(prod, "and now?");
    await type(prod, "/pilink delivery default dev", 'Nothing was set for "dev"');
    expect((await type(prod, "/pilink delivery", "Delivery in")).message).not.toContain("dev");
    // What the folder says was not set by a command, and is not taken back by one.
    await writeFile(joinPath(prod.cwd, ".pilink.json"), '{"deliveries":{"lab/dev":"hold"}}');
    await type(prod, "/pilink delivery turn dev", "turn now");
    await type(prod, "/pilink delivery default dev", /is hold: .*\.pilink\.json/);
    await rm(joinPath(prod.cwd, ".pilink.json"));
  });

  test("is saved, said, and refused with the reason where it is misspelt", async () => {
    const dev = await stage.start("dev");
    await type(dev, "/pilink delivery hold", "Delivery is hold now");
    await dev.stop();
    const again = await stage.start("dev");
    await create(again, "kept");
    await type(again, "/pilink delivery hold prod", "No agent");
    const told = await type(again, "/pilink delivery", 'Delivery in the network "kept": hold');
    expect(told.message).toContain("prod: hold");
    await type(again, "/pilink auto on", "Delivery is inject now");
    for (const [line, message] of [
      ["/pilink delivery later", "none of inject, turn, hold, block and default"],
      ["/pilink delivery block", "Whom?"],
      ["/pilink delivery default", "Whom?"],
      ["/pilink delivery hold a b", "is too much"],
      ["/pilink auto maybe", "none of on, off and turn"],
      ["/pilink confirm perhaps", "neither on nor off"],
    ] as const) {
      expect((await type(again, line, message)).type).toBe("error");
    }
    await type(again, "/pilink leave", "has left");
    expect((await type(again, "/pilink delivery", "in no network")).type).toBe("error");
  });
});

describe("agents that always answer", () => {
  const stage = useStage();

  test.each([2, 3])(
    "%i of them stop, and the person is asked once [SESS-11] (hazard 15)",
    async (number) => {
      const names = ["red", "green", "blue"].slice(0, number);
      const pis = await Promise.all(names.map((name) => stage.start(name)));
      const [host, ...members] = pis;
      if (host === undefined) throw new Error("no host");
      await create(host, `ring-${number}`);
      for (const member of members) await join(member, `ring-${number}`);
      for (const [index, pi] of pis.entries()) {
        await type(pi, "/pilink delivery turn", "Delivery is turn now");
        const next = names[(index + 1) % number] ?? "";
        // In a ring each sends on to the next one, without naming what it answers.
        const known = new Set<string>();
        stage.model().script(pi.name, (request) => {
          const fresh = framesIn(request)
            .map(idOf)
            .filter((id) => !known.has(id));
          if (fresh.length === 0 || request.messages.at(-1)?.role === "tool") return { text: "nothing to do" };
          for (const id of fresh) known.add(id);
          return { toolCalls: [{ name: "pilink_send", arguments: { to: next, body: `passed on ${fresh[0]}` } }] };
        });
        pi.answerDialog(() => false);
      }
      await send(host, names[1] ?? "", "here it begins");
      await eventually(() => pis.some((pi) => pi.dialogs.length > 0), { timeoutMs: 60_000 });
      // There is one chain, and it has ended with the answer to the question: nobody else is at work.
      for (const pi of pis) await pi.settled();
      const dialogs = pis.flatMap((pi) => pi.dialogs);
      expect(dialogs).toHaveLength(1);
      expect(dialogs[0]).toMatchObject({
        method: "select",
        title: expect.stringContaining("passed messages on 9 times"),
        options: ["No, do not send it", "Yes, send it"],
      });
      const sends = names.reduce((sum, name) => sum + framesIn(stage.requests(name).at(-1) ?? expect.fail()).length, 0);
      expect(sends).toBe(9);
    },
    90_000,
  );
});

describe("what a model sends", () => {
  const stage = useStage();
  const sendFrom = (name: string, body: string) =>
    stage
      .model()
      .script(name, (request) =>
        request.messages.at(-1)?.role === "tool"
          ? { text: "done" }
          : { toolCalls: [{ name: "pilink_send", arguments: { to: "prod", body } }] },
      );
  const resultOf = (name: string) => stage.requests(name).at(-1)?.messages.at(-1)?.text;

  test("is shown to the person first where it wants that, and goes or not", async () => {
    const { dev, prod } = await stage.pair("lab");
    await type(dev, "/pilink confirm on", "is shown to you first");
    sendFrom("dev", "may I?");
    dev.answerDialog(() => false);
    await dev.promptAndSettle("ask prod");
    expect(dev.dialogs.at(-1)?.title).toMatch(/^Let the model send this to "prod"\?\n[\s\S]*may I\?$/);
    expect(resultOf("dev")).toContain("did not let this message");
    dev.answerDialog(() => true);
    await dev.promptAndSettle("ask prod again");
    await injected(prod, "may I?");
    dev.answerDialog(() => null);
    await dev.promptAndSettle("and again");
    expect(resultOf("dev")).toMatch(/did not let this message|same text/);
    // What the person writes goes without a question.
    const asked = dev.dialogs.length;
    await send(dev, "prod", "from the person");
    expect(dev.dialogs).toHaveLength(asked);
    await type(dev, "/pilink confirm off", "go without a question");
    await type(dev, "/pilink confirm", "go without a question");
  });

  test("is shown to the person while others see what the agent waits for", async () => {
    const { dev, prod } = await stage.pair("lab");
    await type(dev, "/pilink confirm on", "is shown to you first");
    sendFrom("dev", "let me wait");
    await dev.prompt("ask prod");
    const dialog = await dev.waitForEvent((record) => record.method === "select");
    await eventually(async () =>
      (await type(prod, "/pilink agents", "2 agents")).message.includes("waiting for its user"),
    );
    dev.reply(dev.dialogs.at(-1) ?? expect.fail(`no dialog ${JSON.stringify(dialog)}`), true);
    await injected(prod, "let me wait");
    await dev.settled();
    await type(dev, "/pilink confirm off", "go without a question");
  });

  test("is shown to the person where it looks like a secret", async () => {
    const { dev } = await stage.pair("lab");
    sendFrom("dev", `deploy with ${"glpat"}-${"a1B2c3D4".repeat(3)}`);
    dev.answerDialog(() => false);
    await dev.promptAndSettle("tell prod how");
    expect(dev.dialogs.at(-1)?.title).toContain("GitLab");
    // Enter alone lets nothing go.
    expect(dev.dialogs.at(-1)?.options?.[0]).toBe("No, do not send it");
    expect(resultOf("dev")).toContain("did not let this message");
  });

  test("is refused when it is the same again at once [SESS-13]", async () => {
    const { dev, prod } = await stage.pair("lab");
    sendFrom("dev", "ping");
    await dev.promptAndSettle("ping prod");
    await injected(prod, "ping");
    await dev.promptAndSettle("ping prod");
    expect(resultOf("dev")).toContain("less than 10 s ago");
    for (const _ of [1, 2]) await send(dev, "prod", "the person may repeat itself");
  });
});

describe("the inbox and what was sent", () => {
  const stage = useStage();

  test("are listed, shown whole, answered and cleared", async () => {
    const { dev, prod } = await stage.pair("lab");
    expect((await type(prod, "/pilink inbox", "No message has arrived")).type).toBe("info");
    expect((await type(prod, "/pilink sent", "has sent nothing")).type).toBe("info");
    expect((await type(prod, "/pilink reply yes", "No message that can be answered")).type).toBe("error");
    const long = `first line ${"and more ".repeat(60)}the end`;
    await send(dev, "prod", long);
    await send(dev, "prod", "short");
    const list = (await type(prod, "/pilink inbox", "2 unread messages")).message;
    expect(list).toContain("first line");
    expect(list).not.toContain("the end");
    const ids = [...list.matchAll(/\[([\w-]{8,})\]/g)].map((match) => match[1] ?? "");
    expect(ids).toHaveLength(2);
    const [first = "", second = ""] = ids;
    expect((await type(prod, `/pilink inbox ${first.slice(0, 12)}`, "Message")).message).toContain("the end");
    expect((await type(prod, "/pilink inbox", "No unread message")).message).toContain("Before:");
    expect((await type(prod, "/pilink inbox nothing-like-it", "No message in the inbox has the id")).type).toBe(
      "error",
    );
    const mistyped = await type(prod, "/pilink reply YC0RDjNYt9xAARgd4eOIab the first one", "Nothing was sent.");
    expect(mistyped).toMatchObject({ type: "error", message: expect.stringContaining("/pilink inbox all lists them") });
    await type(prod, `/pilink reply ${first.slice(0, 10)} the first one`, /dev: received/);
    const answer = await injected(dev, "the first one");
    expect(answer.message).toMatchObject({ details: { re: first } });
    await type(prod, "/pilink reply the last one", /dev: received/);
    expect((await injected(dev, "the last one")).message).toMatchObject({ details: { re: second } });
    await eventually(
      async () => (await type(dev, "/pilink sent", "2 messages sent")).message.match(/answered/g)?.length === 2,
    );
    await send(dev, "prod", "to be cleared");
    await type(prod, "/pilink inbox clear", "Cleared 1 message from dev");
    expect((await type(prod, "/pilink go", "No message waits")).type).toBe("info");
    const cleared = /to be cleared\n {4}\[([\w-]+)\]/.exec(
      (await type(prod, "/pilink inbox all", "Before:")).message,
    )?.[1];
    await type(prod, `/pilink go ${cleared}`, "1 message from dev");
    await prod.settled();
    expect(stage.requests("prod").at(-1)?.messages.at(-1)?.text).toContain(cleared);
  });

  test("are chosen and written in dialogs where nothing is given, and escaped from", async () => {
    const { dev, prod } = await stage.pair("lab");
    prod.answerDialog(({ method, options }) =>
      method === "select" ? (options?.[0] ?? null) : "written in the editor",
    );
    await type(prod, "/pilink send", /dev: received/);
    await injected(dev, "written in the editor");
    expect(prod.dialogs.map(({ method }) => method)).toEqual(["select", "editor"]);
    await type(prod, "/pilink send dev", /dev: received/);
    for (const answers of [[null], ["pick", null], ["pick", " "]] as const) {
      let step = 0;
      prod.answerDialog(({ options }) => {
        const answer = answers[step];
        step += 1;
        return answer === "pick" ? (options?.[0] ?? null) : (answer ?? null);
      });
      expect((await type(prod, "/pilink send", "Nothing was sent.")).type).toBe("info");
    }
    for (const text of ["which one?", "or this?"]) await send(dev, "prod", text);
    prod.answerDialog(({ method, options }) =>
      method === "select" ? (options?.find((line) => line.includes("which one?")) ?? null) : "that one",
    );
    await type(prod, "/pilink reply", /dev: received/);
    await injected(dev, "that one");
    expect(prod.dialogs.at(-1)).toMatchObject({ method: "editor", title: "Answer to dev: “which one?”" });
    prod.answerDialog(() => null);
    expect((await type(prod, "/pilink reply", "Nothing was sent.")).type).toBe("info");
  });
});
