import { fork } from "node:child_process";
import { once } from "node:events";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { createNetwork, enterNetwork, joinNetwork, type Message } from "../../library/index.ts";
import { startManagedBroker } from "../support/brokers.ts";
import { guardProcess, onCleanup, stopEverything } from "../support/cleanup.ts";
import { eventually } from "../support/eventually.ts";
import { temporaryHome } from "../support/temporary-home.ts";

let url = "";
let home = "";
let number = 0;
let network = "";

beforeAll(async () => {
  url = (await startManagedBroker()).url;
  home = (await temporaryHome()).path;
});
afterAll(stopEverything);
const open: AsyncDisposable[] = [];
afterEach(async () => {
  for (const peer of open.splice(0)) await peer[Symbol.asyncDispose]();
});

async function pair() {
  number += 1;
  network = `programs-${number}`;
  const dev = await createNetwork({ network, name: "dev", url, home });
  open.push(dev);
  const build = await joinNetwork({ network, name: "build", url, home, role: "CI" });
  open.push(build);
  await eventually(() => dev.roster.length === 2);
  return { dev, build };
}

/** The next so many messages. */
async function take(peer: AsyncIterable<Message>, many: number): Promise<Message[]> {
  const taken: Message[] = [];
  for await (const message of peer) {
    taken.push(message);
    if (taken.length === many) break;
  }
  return taken;
}

describe("a program in a network", () => {
  it("knows who is here, sends, and is answered", async () => {
    const { dev, build } = await pair();
    expect(build).toMatchObject({ name: "build", network, kind: "member", state: "active" });
    expect(dev.roster.map(({ name, isHost, presence }) => [name, isHost, presence.role])).toEqual([
      ["dev", true, undefined],
      ["build", false, "CI"],
    ]);
    const [outcome] = await build.send("dev", { tests: "failed", count: 3 }, { type: "result" });
    expect(outcome).toMatchObject({ to: "dev", state: "received" });
    const [message] = await take(dev, 1);
    expect(message).toMatchObject({
      from: "build",
      verified: true,
      type: "result",
      body: { tests: "failed", count: 3 },
    });
    await message?.reply("which ones?");
    const [answer] = await take(build, 1);
    expect(answer).toMatchObject({ body: "which ones?", re: outcome?.id });
    // What the loop took is told to the sender.
    await eventually(() => build.sent[0]?.state === "replied");
  });

  it("gives out each message once, in order, also those that come while the loop waits", async () => {
    const { dev, build } = await pair();
    const taken = take(dev, 100);
    for (let index = 0; index < 100; index += 1) void build.send("dev", index, { waitMs: 0 });
    expect((await taken).map(({ body }) => body)).toEqual(Array.from({ length: 100 }, (_, index) => index));
    await build.send("dev", "one more");
    expect((await take(dev, 1)).map(({ body }) => body)).toEqual(["one more"]);
  });

  it("ends its loop when it leaves, and when the network closes", async () => {
    const { dev, build } = await pair();
    const [first, second] = [take(dev, 1), take(build, 1)];
    await dev.close();
    expect(await first).toEqual([]);
    expect(await second).toEqual([]);
    expect(build.state).toBe("closed");
    await expect(build.send("dev", "too late")).rejects.toMatchObject({ code: "network-closed" });
  });

  it("takes nothing from whom its person blocks [DEL-20]", async () => {
    number += 1;
    network = `programs-${number}`;
    const place = (await temporaryHome()).path;
    await writeFile(join(place, "config.json"), JSON.stringify({ deliveries: { [`${network}/build`]: "block" } }));
    const dev = await createNetwork({ network, name: "dev", url, home: place });
    open.push(dev);
    const build = await joinNetwork({ network, name: "build", url, home });
    open.push(build);
    expect(await build.send("dev", "let me in")).toMatchObject([{ to: "dev", state: "denied" }]);
  });

  it("is read in one place", async () => {
    const { dev } = await pair();
    const reading = take(dev, 1);
    await expect(take(dev, 1)).rejects.toMatchObject({ code: "bad-argument" });
    await dev.close();
    await reading;
  });

  it("leaves at the end of its block", async () => {
    const { dev } = await pair();
    {
      await using passing = await joinNetwork({ network, name: "passing", url, home });
      await eventually(() => dev.roster.length === 3);
      expect(passing.kind).toBe("member");
    }
    await eventually(() => dev.roster.length === 2);
  });

  it("creates the network where there is none, and joins it where there is one", async () => {
    number += 1;
    const options = { network: `either-${number}`, url, home };
    const [one, other] = await Promise.all([
      enterNetwork({ ...options, name: "one" }),
      enterNetwork({ ...options, name: "other" }),
    ]);
    open.push(one, other);
    expect([one.kind, other.kind].sort()).toEqual(["host", "member"]);
  });

  it("passes messages on only so often without a word of a person [SESS-11] (hazard 15)", async () => {
    const { dev, build } = await pair();
    const counts: number[] = [];
    const answering = (async () => {
      for await (const message of dev) await message.reply("again");
    })();
    const refused = (async () => {
      for await (const message of build) {
        counts.push(counts.length);
        try {
          await message.reply("and again");
        } catch (error) {
          return error;
        }
      }
      return undefined;
    })();
    await build.send("dev", "here it begins");
    const ended = await Promise.race([refused, answering.catch((error: unknown) => error)]);
    expect(ended).toMatchObject({ code: "not-approved" });
    expect(counts.length).toBeLessThanOrEqual(5);
    await build.close();
    await dev.close();
    await Promise.allSettled([answering, refused]);
  });

  it("is given again what it was handling when it was killed", async () => {
    const { dev } = await pair();
    const start = async (mode: string) => {
      const child = fork(fileURLToPath(new URL("program.ts", import.meta.url)), [network, url, home, mode], {
        execArgv: [],
      });
      const release = guardProcess(child.pid ?? 0);
      const ended = once(child, "exit").then(release);
      onCleanup(async () => {
        child.kill("SIGKILL");
        await ended;
      });
      return { child, ended };
    };
    const first = await start("hang");
    await once(first.child, "message");
    await dev.send("worker", ["a", "b"].join());
    await dev.send("worker", "second");
    const [got] = await once(first.child, "message");
    expect(got).toBe("a,b");
    first.child.kill("SIGKILL");
    await first.ended;
    const second = await start("answer");
    const bodies: unknown[] = [];
    second.child.on("message", (body) => bodies.push(body));
    await eventually(() => bodies.includes("second"));
    expect(bodies).toEqual(["ready", "a,b", "second"]);
    second.child.kill("SIGKILL");
    await second.ended;
  });
});
