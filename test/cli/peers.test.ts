import { describe, expect, it } from "vitest";
import { type FoundRecord, readRecords } from "../../cli/background/record.ts";
import { joinNetwork } from "../../library/index.ts";
import { readLock } from "../../store/lock.ts";
import { eventually } from "../support/eventually.ts";
import { isAlive } from "../support/live-processes.ts";
import { useShell } from "./shell.ts";

const shell = useShell();
let number = 0;
let network = "";

/** Background peers in a network of their own; the first one is its host. */
async function join(...names: string[]) {
  number += 1;
  network = `lab-${number}`;
  for (const name of names) {
    await shell.does(["join", network, "--name", name, "--background", ...(name === names[0] ? ["--create"] : [])]);
  }
}

const bodies = (lines: Record<string, unknown>[]) => lines.map(({ body }) => body);

describe("a background peer", { timeout: 120_000 }, () => {
  it("keeps what comes between two commands, in order, and gives it out once", async () => {
    await join("dev", "build");
    const sent = await shell.does(["send", "build", "is", "it", "green?", "--as", "dev", "--type", "query", "--json"]);
    expect(sent.json).toMatchObject([{ event: "outcome", to: "build", state: "received", network, from: "dev" }]);
    await shell.does(["send", "build", "-", "--as", "dev"], { stdin: "from its input\n" });
    await shell.does(["send", "all", '{"tests":[1,2]}', "--json-body", "--as", "dev"]);
    const peeked = await shell.does(["recv", "--peek", "--as", "build", "--json"]);
    const taken = await shell.does(["recv", "--as", "build", "--json", "--limit", "2"]);
    expect(peeked.json).toHaveLength(3);
    expect(taken.json).toMatchObject([
      { event: "message", from: "dev", verified: true, type: "query", body: "is it green?", network, peer: "build" },
      { body: "from its input", type: "message", re: null },
    ]);
    expect(taken.stderr).toContain("1 more message waits");
    expect(bodies((await shell.does(["recv", "--as", "build", "--json"])).json)).toEqual([{ tests: [1, 2] }]);
    expect(await shell.run(["recv", "--as", "build", "--json"])).toMatchObject({ code: 3, stdout: "" });
    const all = await shell.does(["recv", "--as", "build", "--json", "--all"]);
    expect(all.json.map(({ taken }) => taken)).toEqual([true, true, true]);
    // What was taken is told to the sender.
    const log = await shell.does(["log", "--as", "dev", "--network", network, "--json"]);
    expect(log.json.map(({ state }) => state)).toEqual(["seen", "seen", "seen"]);
  });

  it("gives each name its own messages, also to commands that only know it from the environment", async () => {
    await join("dev", "build", "test");
    await shell.does(["send", "build,test", "to both", "--as", "dev"]);
    await shell.does(["send", "test", "to test only", "--as", "build"]);
    const ofBuild = await shell.does(["recv", "--json"], { env: { PILINK_NETWORK: network, PILINK_NAME: "build" } });
    expect(bodies(ofBuild.json)).toEqual(["to both"]);
    const ofTest = await shell.does(["recv", "--json", "--as", "test"]);
    expect(bodies(ofTest.json)).toEqual(["to both", "to test only"]);
    const unclear = await shell.run(["recv"]);
    expect(unclear).toMatchObject({ code: 2 });
    expect(unclear.stderr).toContain(`"build" in the network "${network}", "dev" in the network "${network}", "test"`);
  });

  it("is the only one of a folder for the commands in it", async () => {
    await join("dev");
    await shell.does(["join", network, "--background"], { folder: "web" });
    const other = await shell.run(["join", network, "--background"], { folder: "web" });
    expect(other.stdout).toContain(`Already in the network "${network}" as "web"`);
    await shell.does(["send", "web", "hello"]);
    expect(bodies((await shell.does(["recv", "--json"], { folder: "web" })).json)).toEqual(["hello"]);
  });

  it("waits for a message for as long as it is told, and for an answer", async () => {
    await join("dev", "build");
    const waiting = shell.start(["recv", "--wait", "60s", "--as", "build", "--json"]);
    const asking = shell.start([
      "send",
      "build",
      "how many?",
      "--as",
      "dev",
      "--wait",
      "reply",
      "--timeout",
      "60s",
      "--json",
    ]);
    const asked = await waiting.ended;
    expect(asked).toMatchObject({ code: 0, json: [{ body: "how many?", from: "dev" }] });
    await shell.does(["send", "dev", "seven", "--re", String(asked.json[0]?.id), "--as", "build"]);
    const { code, json } = await asking.ended;
    expect(code).toBe(0);
    expect(json).toMatchObject([
      { event: "outcome", to: "build", state: "replied" },
      { event: "message", from: "build", body: "seven", re: asked.json[0]?.id },
    ]);
    // The answer was printed: it does not wait to be taken a second time.
    expect(await shell.run(["recv", "--as", "dev"])).toMatchObject({ code: 3 });
    const late = await shell.run(["recv", "--wait", "200ms", "--as", "dev", "--json"]);
    expect(late).toMatchObject({ code: 3, stdout: "" });
    const unanswered = await shell.run([
      "send",
      "build",
      "and now?",
      "--as",
      "dev",
      "--wait",
      "reply",
      "--timeout",
      "300ms",
    ]);
    expect(unanswered).toMatchObject({ code: 3 });
    expect(
      await shell.run(["send", "build", "seen?", "--as", "dev", "--wait", "seen", "--timeout", "300ms"]),
    ).toMatchObject({ code: 3 });
  });

  it("ends on leave, in good order, and with its network; what it holds then can still be taken", async () => {
    await join("dev", "build", "test");
    const dev = await peerPid("dev");
    const build = await peerPid("build");
    await shell.does(["send", "build", "the last word", "--as", "dev"]);
    await shell.does(["leave", "--as", "test"]);
    expect((await shell.does(["agents", network, "--json"])).json.map(({ name }) => name)).toEqual(["dev", "build"]);
    const refused = await shell.run(["leave", "--as", "dev"]);
    expect(refused).toMatchObject({ code: 4, stdout: "" });
    expect(refused.stderr).toContain("leaving ends the network for build");
    await shell.does(["leave", "--as", "dev", "--yes"]);
    await eventually(async () => expect([await isAlive(dev), await isAlive(build)]).toEqual([false, false]), {
      timeoutMs: 20_000,
    });
    const left = await shell.does(["recv", "--as", "build", "--network", network, "--json"]);
    expect(bodies(left.json)).toEqual(["the last word"]);
    expect(left.stderr).toContain("has ended: the network was closed");
    expect(await shell.run(["recv", "--network", network])).toMatchObject({ code: 5 });
  });

  it("that was killed loses nothing: its messages can be taken without it, or by the next one", async () => {
    await join("dev", "build");
    await shell.does(["send", "build", "one", "--as", "dev"]);
    process.kill(await peerPid("build"), "SIGKILL");
    await eventually(
      async () =>
        expect((await shell.run(["send", "build", "two", "--as", "dev", "--json"])).json).toMatchObject([
          { state: "queued" },
        ]),
      { timeoutMs: 30_000 },
    );
    const { statePath } = (await findRecord("build")).record;
    const proof = await readLock(statePath);
    const peeked = await shell.does(["recv", "--peek", "--as", "build", "--network", network, "--json"]);
    expect(bodies(peeked.json)).toEqual(["one"]);
    expect(peeked.stderr).toContain("it was killed");
    // Who only reads what it left does not take away the proof that it is dead (hazard 2).
    expect(await readLock(statePath)).toMatchObject({ alive: "dead", extra: proof?.extra });
    await shell.does(["join", network, "--name", "build", "--background"]);
    const waited = await shell.does(["recv", "--as", "build", "--json", "--all", "--wait", "20s"]);
    expect(bodies(waited.json)).toContain("one");
    await eventually(
      async () =>
        expect((await shell.does(["recv", "--as", "build", "--json", "--all"])).json.length).toBeGreaterThanOrEqual(2),
      { timeoutMs: 20_000 },
    );
  });

  it("is one peer among others: a program gets its messages and answers them", async () => {
    await join("dev");
    await using program = await joinNetwork({ network, name: "program", url: shell.url(), home: shell.state() });
    const answering = (async () => {
      for await (const message of program) {
        await message.reply(`got ${String(message.body)}`);
        break;
      }
    })();
    const asked = await shell.does(["send", "program", "this", "--wait", "reply", "--json"]);
    await answering;
    expect(asked.json[1]).toMatchObject({ body: "got this", from: "program" });
  });

  it("passes messages on only so often without a word of a person [SESS-11] (hazard 15)", async () => {
    await join("dev", "build");
    const codes: (number | null)[] = [];
    let receiver = "build";
    for (let turn = 0; turn < 10; turn += 1) {
      const sender = receiver === "build" ? "dev" : "build";
      const { code, stderr } = await shell.run(["send", receiver, `turn ${turn}`, "--as", sender]);
      codes.push(code);
      if (code !== 0) {
        expect(stderr).toContain("without a word of a person");
        break;
      }
      await shell.does(["recv", "--as", receiver]);
      receiver = sender;
    }
    expect(codes).toEqual([0, 0, 0, 0, 0, 0, 0, 0, 0, 4]);
  });
});

describe("a message without a background peer", { timeout: 120_000 }, () => {
  it("is sent by a peer that joins for it, and says so", async () => {
    await join("dev");
    const { stderr, json } = await shell.does([
      "send",
      "dev",
      "in passing",
      "--network",
      network,
      "--as",
      "web",
      "--json",
    ]);
    expect(stderr).toContain(`"web" joined the network "${network}" for this message and leaves again`);
    expect(json).toMatchObject([{ to: "dev", state: "received", from: "web", passing: true }]);
    expect(bodies((await shell.does(["recv", "--json"])).json)).toEqual(["in passing"]);
    expect((await shell.does(["agents", network, "--json"])).json.map(({ name }) => name)).toEqual(["dev"]);
  });

  it("ends with 4 for who is not there, and with 5 without a network", async () => {
    await join("dev");
    expect(await shell.run(["send", "nobody", "hi", "--network", network, "--as", "web"])).toMatchObject({ code: 4 });
    await shell.does(["leave"]);
    const nowhere = await shell.run(["send", "dev", "hi"]);
    expect(nowhere).toMatchObject({ code: 5 });
    expect(nowhere.stderr).toContain("pilink join <network> --background");
    expect(await shell.run(["send", "dev", "hi", "--network", network])).toMatchObject({ code: 5 });
  });
});

async function findRecord(name: string): Promise<FoundRecord> {
  const records = await readRecords(shell.state());
  const found = records.find(({ record }) => record.name === name && record.network === network);
  return found ?? expect.fail(`no background peer "${name}"`);
}

async function peerPid(name: string): Promise<number> {
  return (await findRecord(name)).record.process.pid;
}
