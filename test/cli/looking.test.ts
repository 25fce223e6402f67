import { globSync } from "node:fs";
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterEach, describe, expect, it } from "vitest";
import { adaptGuide } from "../../cli/commands/guide.ts";
import { inShellWords } from "../../cli/wording.ts";
import { createNetwork, joinNetwork, type NetworkPeer } from "../../library/index.ts";
import { projectFolder } from "../install/tools.ts";
import { eventually } from "../support/eventually.ts";
import { freePort } from "../support/network.ts";
import { useShell } from "./shell.ts";

const shell = useShell();
const open: NetworkPeer[] = [];
afterEach(async () => {
  for (const peer of open.splice(0).reverse()) await peer.close();
});

async function create(network: string, name = "dev"): Promise<NetworkPeer> {
  const peer = await createNetwork({ network, name, url: shell.url(), home: shell.state(), about: "the shop" });
  open.push(peer);
  return peer;
}

describe("broker", { timeout: 60_000 }, () => {
  it("is started, told about and stopped by hand", async () => {
    const port = String(await freePort());
    const started = await shell.does(["broker", "--port", port, "--json"]);
    const url = `mqtt://127.0.0.1:${port}`;
    expect(started.json).toMatchObject([{ running: true, url, host: "127.0.0.1", started: true, managed: true }]);
    expect((await shell.does(["broker", "--port", port, "--json"])).json).toMatchObject([{ started: false, url }]);
    const status = await shell.does(["broker", "status", "--port", port, "--json"]);
    expect(status.json).toMatchObject([
      { running: true, url, clients: 0, pid: started.json[0]?.pid, uptimeMs: expect.any(Number) },
    ]);
    expect((await shell.does(["broker", "status", "--url", url])).stdout).toContain(`runs at ${url}`);
    expect((await shell.does(["broker", "stop", "--port", port, "--json"])).json).toMatchObject([
      { stopped: true, url },
    ]);
    expect((await shell.does(["broker", "stop", "--port", port])).stdout).toContain("No managed broker runs");
    expect(await shell.run(["broker", "status", "--port", port])).toMatchObject({ code: 6 });
  });

  it("tells of each that runs, and of one where that is named", async () => {
    const ports = [String(await freePort()), String(await freePort())];
    for (const port of ports) await shell.does(["broker", "--port", port]);
    const env = { PILINK_URL: "" };
    const { json } = await shell.does(["broker", "status", "--json"], { env });
    expect(json.map(({ port }) => port)).toEqual(expect.arrayContaining(ports.map(Number)));
    expect(json.filter(({ local }) => local)).toHaveLength(1);
    const { stdout } = await shell.does(["broker", "status"], { env });
    expect(stdout.match(/A managed broker runs at/g)).toHaveLength(json.length);
    expect(stdout.match(/used where no other is named/g)).toHaveLength(1);
    const unused = `mqtt://127.0.0.1:${await freePort()}`;
    const other = await shell.run(["broker", "status", "--json"], { env: { PILINK_URL: unused } });
    expect(other.code).toBe(6);
    expect(other.json.map(({ pid }) => pid)).toEqual(json.map(({ pid }) => pid));
    expect(other.stderr).toContain(`${unused}, does not run.`);
    const one = await shell.does(["broker", "status", "--port", ports[1] ?? "", "--json"]);
    expect(one.json).toMatchObject([{ port: Number(ports[1]) }]);
    for (const port of ports) await shell.does(["broker", "stop", "--port", port]);
  });

  it("listens everywhere only when it is told to, and says what that means", async () => {
    const port = String(await freePort());
    const started = await shell.does(["broker", "--port", port, "--host", "0.0.0.0", "--json"]);
    expect(started.json).toMatchObject([{ host: "0.0.0.0", url: `mqtt://127.0.0.1:${port}` }]);
    expect(started.stderr).toContain("it has no accounts");
    await shell.does(["broker", "stop", "--port", port]);
  });

  it("listens for WebSocket where that is asked for, and names the address", async () => {
    const port = String(await freePort());
    await shell.does(["broker", "--port", port]);
    const without = await shell.run(["broker", "--port", port, "--ws"]);
    expect(without).toMatchObject({ code: 2, stdout: "" });
    expect(without.stderr).toMatch(/already runs .* without WebSocket\. Stop it first: pilink broker stop/);
    expect((await shell.does(["broker", "status", "--port", port, "--json"])).json).toMatchObject([{ ws: null }]);
    await shell.does(["broker", "stop", "--port", port]);

    const started = await shell.does(["broker", "--port", port, "--ws", "--json"]);
    expect(started.json).toMatchObject([{ started: true, ws: expect.stringMatching(/^ws:\/\/127\.0\.0\.1:\d+$/) }]);
    const ws = String(started.json[0]?.ws);
    const wsPort = new URL(ws).port;
    expect((await shell.does(["broker", "--port", port, "--ws", wsPort])).stdout).toContain(`and ${ws} (pid`);
    expect((await shell.does(["broker", "status", "--port", port])).stdout).toContain(`and ${ws} (pid`);
    expect((await shell.does(["broker", "status", "--port", port, "--json"])).json).toMatchObject([{ ws }]);
    await shell.does(["networks", "--url", ws, "--json"]);

    const taken = await shell.run(["broker", "--port", String(await freePort()), "--ws", wsPort]);
    expect(taken.code).not.toBe(0);
    expect(taken.stderr).toContain(`could not listen for WebSocket at ${ws}`);
    expect(await shell.run(["broker", "--port", port, "--ws", "70000"])).toMatchObject({ code: 2 });
    await shell.does(["broker", "stop", "--port", port]);
  });

  it("runs in the foreground until it is told to end", async () => {
    const port = String(await freePort());
    const broker = shell.start(["broker", "--port", port, "--foreground", "--json"]);
    await broker.line({ running: true });
    expect(await shell.run(["broker", "--port", port, "--foreground"])).toMatchObject({ code: 2 });
    broker.child.kill("SIGINT");
    expect(await broker.ended).toMatchObject({ code: 0 });
    expect(await shell.run(["broker", "status", "--port", port])).toMatchObject({ code: 6 });
  });

  it("that is stopped ends what runs in the foreground, and the background peers on it", async () => {
    const url = `mqtt://127.0.0.1:${await freePort()}`;
    const broker = shell.start(["broker", "--url", url, "--foreground", "--json"]);
    await broker.line({ running: true });
    await shell.does(["join", "stopped", "--name", "dev", "--create", "--background", "--url", url]);
    const refused = await shell.run(["broker", "stop", "--url", url]);
    expect(refused).toMatchObject({ code: 4, stdout: "" });
    expect(refused.stderr).toContain("cuts off 1 client");
    await shell.does(["broker", "stop", "--url", url, "--yes"]);
    expect(await broker.ended).toMatchObject({ code: 6 });
    await eventually(async () => expect(await shell.run(["recv", "--network", "stopped"])).toMatchObject({ code: 5 }), {
      timeoutMs: 20_000,
    });
  });
});

describe("networks and agents", { timeout: 60_000 }, () => {
  it("show what runs, and who is in it, without joining", async () => {
    const dev = await create("shown");
    open.push(
      await joinNetwork({ network: "shown", name: "build", role: "CI", url: shell.url(), home: shell.state() }),
    );
    await eventually(() => dev.roster.length === 2);
    const networks = await shell.does(["networks", "--json"]);
    expect(networks.json).toEqual([
      { network: "shown", host: "dev", open: true, agents: 2, about: "the shop", joined: [] },
    ]);
    expect((await shell.does(["networks"])).stdout).toBe("shown — host dev — 2 agents — the shop\n");
    const agents = await shell.does(["agents", "shown", "--json"]);
    expect(agents.json).toMatchObject([
      { network: "shown", name: "dev", host: true, state: "online", self: false },
      { network: "shown", name: "build", host: false, state: "online", role: "CI" },
    ]);
    expect((await shell.does(["agents", "shown"])).stdout).toMatch(/^dev \(host\) — .*\nbuild — CI — .*\n$/);
    expect(dev.roster).toHaveLength(2);
    expect(await shell.run(["agents", "nowhere"])).toMatchObject({ code: 5, stdout: "" });
  });
});

describe("watch", { timeout: 60_000 }, () => {
  it("shows who says what to whom, and what became of it", async () => {
    const dev = await create("watched");
    const other = await create("unwatched", "elsewhere");
    open.push(await joinNetwork({ network: "watched", name: "build", url: shell.url(), home: shell.state() }));
    const all = shell.start(["watch", "watched", "--json"]);
    const some = shell.start(["watch", "--json", "--grep", "GREEN", "--peer", "build", "--only", "messages"]);
    const text = shell.start(["watch", "watched"]);
    await all.line({ kind: "presence", from: "build" });
    await eventually(
      () =>
        expect([some.stderr(), text.stderr()].join()).toMatch(
          /Watching every network.*Watching the network "watched"/s,
        ),
      { timeoutMs: 20_000 },
    );
    await eventually(() => dev.roster.length === 2);
    await dev.send("build", "is it \u001b[31mgreen\u001b[0m?\nnow", { type: "query" });
    await dev.send("build", "or red");
    await expect(other.send("nobody", "green")).resolves.toMatchObject([{ state: "refused" }]);
    const [first] = dev.sent;
    expect(await all.line({ kind: "messages", id: first?.id })).toMatchObject({
      network: "watched",
      from: "dev",
      to: "build",
      what: "query",
      bytes: expect.any(Number),
      retained: false,
    });
    expect(await all.line({ kind: "receipts", id: first?.id })).toMatchObject({
      from: "build",
      to: "dev",
      what: "received",
    });
    await eventually(
      () => expect(text.stdout()).toMatch(/watched {2}dev → build {2}query {2}\(.*\) {2}is it green\? now\n/),
      { timeoutMs: 20_000 },
    );
    await some.line({ id: first?.id });
    expect(some.json()).toHaveLength(1);
    for (const watcher of [all, some, text]) {
      watcher.child.kill("SIGINT");
      expect(await watcher.ended).toMatchObject({ code: 0 });
    }
    for (const unwanted of ["invalid", "\u001b"]) expect(text.stdout()).not.toContain(unwanted);
  });
});

describe("log", { timeout: 60_000 }, () => {
  it("tells what was said on this machine, and what became of it", async () => {
    const dev = await create("logged");
    const build = await joinNetwork({ network: "logged", name: "build", url: shell.url(), home: shell.state() });
    open.push(build);
    await eventually(() => dev.roster.length === 2);
    await dev.send("build", "the first", { type: "task" });
    await build.send("dev", { second: true });
    for await (const message of build) {
      await message.reply("the answer");
      break;
    }
    await eventually(() => dev.sent[0]?.state === "replied");
    await eventually(
      async () => {
        const { json } = await shell.does(["log", "--network", "logged", "--json"]);
        expect(json.map(({ name, direction, peer, state }) => [name, direction, peer, state])).toEqual([
          ["dev", "out", "build", "replied"],
          ["build", "in", "dev", "replied"],
          ["build", "out", "dev", "received"],
          ["dev", "in", "build", "unread"],
          ["build", "out", "dev", "received"],
          ["dev", "in", "build", "unread"],
        ]);
      },
      { timeoutMs: 20_000 },
    );
    const some = await shell.does([
      "log",
      "--as",
      "dev",
      "--network",
      "logged",
      "--grep",
      "FIRST",
      "--peer",
      "build",
      "--since",
      "1h",
    ]);
    expect(some.stdout).toMatch(/^\S.* {2}logged {2}dev → build {2}replied {2}\(.*task\) {2}the first\n$/);
    expect((await shell.does(["log", "--network", "logged", "--json", "--limit", "1"])).json).toMatchObject([
      { body: "the answer" },
    ]);
    expect((await shell.does(["log", "--network", "logged", "--since", "0s"])).stdout).toBe("");
    // A line that cannot be read is said to be there, and hides no other.
    const path = join(shell.state(), "networks");
    const folder = globSync("logged*/dev/audit.jsonl", { cwd: path })[0] ?? "";
    await writeFile(
      join(path, folder),
      `{"op":"out"\nnot json\n${await readFile(join(path, folder), "utf8")}{"op":"in","half`,
    );
    const damaged = await shell.does(["log", "--as", "dev", "--network", "logged", "--json"]);
    expect(damaged.json).toHaveLength(3);
    expect(damaged.stderr).toContain("2 lines of the audit cannot be read");
  });
});

describe("doctor and guide", { timeout: 60_000 }, () => {
  it("say what is wrong, with the way out, in the words of a shell", async () => {
    await shell.does(["join", "ill", "--name", "dev", "--create", "--background"]);
    const well = await shell.does(["doctor", "--json"]);
    expect(well.json.map(({ name }) => name)).toEqual(
      expect.arrayContaining(["broker", "host", "background", "versions"]),
    );
    expect(well.json.filter(({ verdict }) => verdict === "failed")).toEqual([]);
    const text = await shell.does(["doctor"]);
    expect(text.stdout).toMatch(/^pilink doctor: \d+ ok/);
    expect(text.stdout).not.toMatch(/\/pilink [a-z]/);
    await mkdir(join(shell.home().path, "broken"), { recursive: true });
    await writeFile(join(shell.home().path, "broken", ".pilink.json"), "{");
    const ill = await shell.run(["doctor"], { folder: "broken" });
    expect(ill.code).toBe(1);
    expect(ill.stdout).toContain("failed  config:");
  });

  it("teach what the skill teaches, with commands in the place of tools", async () => {
    const skill = await readFile(join(projectFolder, "skills/pilink/SKILL.md"), "utf8");
    const guide = adaptGuide(skill);
    expect((await shell.does(["guide"])).stdout).toBe(guide.endsWith("\n") ? guide : `${guide}\n`);
    expect(guide).not.toMatch(/pilink_|^---|in this session|is shown to your user/m);
    const headings = (page: string) => page.match(/^#+ .*$/gm) ?? [];
    // How tools are read with is told for a shell in its own section.
    expect(
      headings(guide)
        .map((heading) => heading.replace("In a shell", "Read"))
        .sort(),
    ).toEqual(headings(skill).sort());
    const { stdout } = await shell.does(["--help"]);
    for (const [, command = ""] of guide.matchAll(/pilink ([a-z]+)/g))
      expect(stdout, command).toMatch(new RegExp(`^ {2}${command} `, "m"));
  });

  it("leave no advice for a Pi in what the layers below say", async () => {
    const files = globSync("{peer,broker,store,protocol}/*.ts", { cwd: projectFolder });
    for (const file of files) {
      const text = (await readFile(join(projectFolder, file), "utf8")).replace(/\/\*\*.*?\*\/|^\s*\/\/.*$/gms, "");
      for (const [advice] of text.matchAll(/["`][^"`\n]*\/(?:pilink [a-z]|trust\b)[^"`\n]*["`]/g)) {
        const said = inShellWords(advice.slice(1, -1).replace(/\$\{[^}]*\}/g, "lab"));
        expect(said, file).not.toMatch(/\/pilink|\/trust/);
      }
    }
  });
});
