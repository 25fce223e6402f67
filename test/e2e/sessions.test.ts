import { fileURLToPath } from "node:url";
import { beforeAll, describe, expect, test } from "vitest";
import { eventually } from "../support/eventually.ts";
import { ownExtension } from "../support/pi-home.ts";
import type { PiProcess } from "../support/pi-process.ts";
import { rawMqtt } from "../support/raw-mqtt.ts";
import { bodiesIn, create, injected, join, send, type, useStage } from "./stage.ts";

const extensions = [ownExtension, fileURLToPath(new URL("reloading.ts", import.meta.url))];

/** Each way to get another session, and what of the session before is in it. */
const switches = {
  "/new": (pi) => pi.newSession(),
  "/reload": (pi) => pi.prompt("/reload-now"),
  async "/fork"(pi) {
    const { data } = await pi.command({ type: "get_fork_messages" });
    const entryId = /"entryId":"([^"]+)"/.exec(JSON.stringify(data))?.[1];
    await pi.command({ type: "fork", entryId });
  },
  async "/clone"(pi) {
    await pi.command({ type: "clone" });
  },
  async "/resume"(pi) {
    const former = await sessionFile(pi);
    await pi.newSession();
    await pi.command({ type: "switch_session", sessionPath: former });
  },
} satisfies Record<string, (pi: PiProcess) => Promise<void>>;

async function sessionFile(pi: PiProcess): Promise<string> {
  return String((await pi.state()).sessionFile);
}

describe("another session of the same Pi", () => {
  const stage = useStage();
  let pis: { dev: PiProcess; prod: PiProcess } | undefined;
  beforeAll(async () => {
    pis = await stage.pair("lab", { extensions, keepSessions: true, forAll: true });
  });
  const both = () => pis ?? expect.fail("there are no Pis");

  for (const role of ["host", "member"] as const) {
    for (const [kind, act] of Object.entries(switches)) {
      test(`the ${role}'s ${kind} loses no message and shows none twice [SESS-6] [SESS-7] [SESS-8]`, async () => {
        const { dev, prod } = both();
        const [one, other] = role === "host" ? [dev, prod] : [prod, dev];
        const texts = ["before", "meanwhile", "after"].map((when) => `${when} the ${role}'s ${kind}`);
        const [before = "", meanwhile = "", after = ""] = texts;
        const since = other.mark();
        // Pi writes no session file before the first answer, and forks only from what somebody typed.
        await stage.ask(one, `a prompt before ${kind}`);

        await send(other, one.name, before);
        await injected(one, before);
        const [sent] = await Promise.all([
          type(other, `/pilink send ${one.name} ${meanwhile}`, new RegExp(`${one.name}: \\w+ \\(id`)),
          act(one),
        ]);
        expect(sent.message).not.toMatch(/denied|expired|refused/);
        await send(other, one.name, after);

        const request = await stage.ask(one, `a prompt after ${kind}`);
        expect(bodiesIn(request).filter((body) => texts.includes(body))).toEqual(texts);
        expect(request.tools).toContain("pilink_send");
        await send(one, other.name, `answer to ${kind}`);
        await injected(other, `answer to ${kind}`);
        // Nobody has noticed anything: no departure, no loss, no suspension.
        const noticed = other.records.slice(since).map((record) => String(record.message));
        expect(noticed.filter((text) => /lost|left|joined|offline|is back|no longer/.test(text))).toEqual([]);
      });
    }
  }

  test("what a model has seen does not come again in the next session [SESS-8] [SESS-9]", async () => {
    const { dev, prod } = both();
    const watcher = await rawMqtt(stage.url());
    await watcher.subscribe("pilink/lab/dev/receipts");
    await send(dev, "prod", "read only once");
    await injected(prod, "read only once");
    expect(bodiesIn(await stage.ask(prod, "read it"))).toContain("read only once");
    await stage.ask(prod, "the same context once more");
    await prod.newSession();
    expect(bodiesIn(await stage.ask(prod, "what is new?"))).toEqual([]);
    const states = watcher.messages(() => true).map(({ text }) => /"state":"(\w+)"/.exec(text)?.[1]);
    expect(states.filter((state) => state === "seen")).toHaveLength(1);
    expect(states.at(-1)).toBe("seen");
  });

  test("a resumed session that holds a message already is not given it again [SESS-8]", async () => {
    const { dev, prod } = both();
    await prod.newSession();
    await stage.ask(prod, "the first answer makes Pi keep the session");
    const former = await sessionFile(prod);
    await send(dev, "prod", "unseen in two sessions");
    await injected(prod, "unseen in two sessions");

    await prod.newSession();
    expect(JSON.stringify(await prod.messages())).toContain("unseen in two sessions");
    await prod.command({ type: "switch_session", sessionPath: former });
    expect((await type(prod, "/pilink status", '"lab"')).message).toContain("1 that the model has not read");
    expect(bodiesIn(await stage.ask(prod, "what stands here?"))).toEqual(["unseen in two sessions"]);
    await prod.newSession();
    expect(bodiesIn(await stage.ask(prod, "and now?"))).toEqual([]);
  });

  test("a stream of messages passes many switches, each message once and in order [SESS-6] [DEL-4] [DEL-14]", async () => {
    const { dev, prod } = both();
    await stage.ask(prod, "something to fork from");
    const texts = Array.from({ length: 24 }, (_, index) => `number ${index} of the stream`);
    const first = dev.notifications.length;
    const stream = (async () => {
      for (const text of texts) await type(dev, `/pilink send prod ${text}`, /prod: \w+ \(id/);
    })();
    const hopping = (async () => {
      for (const act of [
        switches["/new"],
        switches["/reload"],
        switches["/new"],
        switches["/reload"],
        switches["/new"],
      ]) {
        await act(prod);
        // In each of the sessions some of it arrives.
        const told = dev.notifications.length;
        await eventually(() => dev.notifications.length >= Math.min(told + 3, first + texts.length));
      }
    })();
    await Promise.all([stream, hopping]);
    await send(dev, "prod", "the end of the stream");
    expect(bodiesIn(await stage.ask(prod, "what came?"))).toEqual([...texts, "the end of the stream"]);
  });

  test("who leaves and joins again has what was unread, once [DEL-4] [LIFE-10]", async () => {
    const { dev, prod } = both();
    await prod.newSession();
    await send(dev, "prod", "unread when you left");
    await injected(prod, "unread when you left");
    await type(prod, "/pilink leave", "left");
    await join(prod, "lab");
    await send(dev, "prod", "and one more");
    expect(bodiesIn(await stage.ask(prod, "what is there?"))).toEqual(["unread when you left", "and one more"]);
  });

  test("a run that /new ends gives its messages to the next session [SESS-8]", async () => {
    const { dev, prod } = both();
    const held = stage.model().hold("prod");
    await prod.prompt("think for long");
    await held.request;
    await send(dev, "prod", "during a run that is ended");
    await prod.newSession();
    held.release();
    expect(bodiesIn(await stage.ask(prod, "and now?"))).toEqual(["during a run that is ended"]);
  });

  test("a Pi that is killed before its model has read a message gets it again [SESS-8] [DEL-4]", async () => {
    const { dev } = both();
    const qa = await stage.start("qa", { extensions, keepSessions: true });
    await join(qa, "lab");
    await send(dev, "qa", "injected, then gone");
    await injected(qa, "injected, then gone");
    await qa.kill();
    const again = await stage.start("qa", { extensions, keepSessions: true });
    await join(again, "lab");
    expect(bodiesIn(await stage.ask(again, "what is there?"))).toEqual(["injected, then gone"]);
  });

  test("a message that no model has read comes along where its user goes back in the session, and only that [SESS-8]", async () => {
    const [red, blue] = await Promise.all([stage.start("red"), stage.start("blue", { extensions })]);
    await create(red, "lab-tree");
    await join(blue, "lab-tree");
    await stage.ask(blue, "where it began");
    await send(red, "blue", "read before");
    await injected(blue, "read before");
    await stage.ask(blue, "what came?");
    await send(red, "blue", "not read");
    await injected(blue, "not read");
    const since = blue.mark();
    await blue.prompt("/go-back");
    await injected(blue, "not read", since);
    expect(bodiesIn(await stage.ask(blue, "what do you know now?"))).toEqual(["not read"]);
  });
});
