import { fork, spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import { findNetworks } from "../../peer/networks.ts";
import { guardProcess, onCleanup } from "../support/cleanup.ts";
import { eventually, withinDeadline } from "../support/eventually.ts";
import { isAlive } from "../support/live-processes.ts";
import { freePort } from "../support/network.ts";
import { serverFile, startClient } from "./client.ts";
import { type McpStage, useStage } from "./stage.ts";

const prepare = useStage();

const namesIn = (player: Awaited<ReturnType<McpStage["create"]>>) => player.peer.roster().map(({ name }) => name);

/** A server with a line that a test writes itself. */
async function startLine(stage: McpStage, home: string, flags: object = {}) {
  const common = { url: stage.url, keepaliveMs: 1_000, network: stage.network, name: "claude" };
  const child = spawn(process.execPath, [serverFile, JSON.stringify({ ...common, ...flags })], {
    cwd: home,
    env: { PATH: process.env.PATH, PILINK_HOME: home },
    stdio: ["pipe", "pipe", "pipe"],
  });
  const release = guardProcess(child.pid ?? 0);
  const ended = once(child, "exit").then(() => release());
  onCleanup(async () => {
    child.kill("SIGKILL");
    await ended;
  });
  let stderr = "";
  child.stderr.on("data", (chunk: Buffer) => {
    stderr += chunk.toString("utf8");
  });
  const lines: string[] = [];
  createInterface({ input: child.stdout }).on("line", (line) => lines.push(line));
  const write = (message: unknown) => void child.stdin.write(`${JSON.stringify(message)}\n`);
  const answerTo = (id: number) =>
    eventually(
      () => {
        const found = lines.find((line) => JSON.parse(line).id === id);
        if (found === undefined) throw new Error(`No answer to ${id} in:\n${lines.join("\n")}\n${stderr}`);
        return found;
      },
      { timeoutMs: 20_000 },
    );
  const begin = async () => {
    const params = { protocolVersion: "2025-06-18", capabilities: {}, clientInfo: { name: "raw", version: "1" } };
    write({ jsonrpc: "2.0", id: 1, method: "initialize", params });
    await answerTo(1);
    write({ jsonrpc: "2.0", method: "notifications/initialized" });
  };
  const callInbox = (id: number) =>
    write({ jsonrpc: "2.0", id, method: "tools/call", params: { name: "pilink_inbox", arguments: {} } });
  return { child, ended, lines, write, answerTo, begin, callInbox, stderr: () => stderr };
}

describe("the life of the server", () => {
  it("enters when the client is there, before any tool is called, and leaves when the client closes the line", async () => {
    const stage = await prepare();
    const dev = await stage.create("dev");
    const claude = await stage.client();
    await eventually(() => expect(namesIn(dev)).toEqual(["dev", "claude"]), { timeoutMs: 15_000 });
    await claude.close();
    await dev.until("departed");
    expect(namesIn(dev)).toEqual(["dev"]);
  });

  it("enters no network for a client that only asks what it can do", async () => {
    const stage = await prepare();
    const dev = await stage.create("dev");
    const line = await startLine(stage, await stage.otherHome());
    const meta = {
      "io.modelcontextprotocol/protocolVersion": "2026-07-28",
      "io.modelcontextprotocol/clientInfo": { name: "raw", version: "1" },
      "io.modelcontextprotocol/clientCapabilities": {},
    };
    line.write({ jsonrpc: "2.0", id: 1, method: "server/discover", params: { _meta: meta } });
    expect(await line.answerTo(1)).toContain("2026-07-28");
    line.child.stdin.end();
    await withinDeadline(line.ended, 10_000, () => `The server lives on.\n${line.stderr()}`);
    expect(line.stderr()).not.toContain("This agent is");
    expect(dev.count("joined")).toBe(0);
  });

  it.each(["SIGTERM", "SIGINT"] as const)("leaves at %s", async (signal) => {
    const stage = await prepare();
    const dev = await stage.create("dev");
    const line = await startLine(stage, await stage.otherHome());
    await line.begin();
    await dev.until("joined", 20_000);
    line.child.kill(signal);
    await withinDeadline(line.ended, 10_000, () => `The server lives on.\n${line.stderr()}`);
    await dev.until("departed");
  });

  it("leaves when the client is killed", async () => {
    const stage = await prepare();
    const dev = await stage.create("dev");
    const home = await stage.otherHome();
    const flags = { url: stage.url, keepaliveMs: 1_000, network: stage.network, name: "claude" };
    const client = fork(fileURLToPath(new URL("dying-client.ts", import.meta.url)), [JSON.stringify(flags)], {
      cwd: home,
      env: { ...process.env, PILINK_HOME: home },
      execArgv: [],
    });
    const release = guardProcess(client.pid ?? 0);
    const [pid] = await once(client, "message");
    const releaseServer = guardProcess(pid);
    await dev.until("joined", 20_000);
    client.kill("SIGKILL");
    release();
    await dev.until("departed");
    await eventually(async () => expect(await isAlive(pid)).toBe(false), { timeoutMs: 10_000 });
    releaseServer();
  });

  it("writes nothing but the protocol to standard output, whatever the client writes", async () => {
    const stage = await prepare();
    const dev = await stage.create("dev");
    const line = await startLine(stage, await stage.otherHome());
    line.child.stdin.write('this is no JSON\n{"jsonrpc":"1.0"}\n[]\n42\n\n{"jsonrpc":"2.0","id":7}\n');
    await line.begin();
    line.write({ jsonrpc: "2.0", id: 2, method: "no/such/method", params: {} });
    expect(await line.answerTo(2)).toContain("-32601");
    await dev.until("joined", 20_000);
    await dev.peer.send({ to: "claude", body: "still there?" });
    line.callInbox(3);
    expect(await line.answerTo(3)).toContain("still there?");
    for (const text of line.lines) expect(JSON.parse(text)).toMatchObject({ jsonrpc: "2.0" });
    expect(line.stderr()).toContain('pilink: This agent is "claude"');
    line.child.stdin.end();
    await line.ended;
    await dev.until("departed");
  });

  it("gives out again what a client gave up after the answer was written [SESS-16]", async () => {
    const stage = await prepare();
    const dev = await stage.create("dev");
    const line = await startLine(stage, await stage.otherHome());
    await line.begin();
    await dev.until("joined", 20_000);
    await dev.peer.send({ to: "claude", body: "twice" });
    line.callInbox(2);
    expect(await line.answerTo(2)).toContain("twice");
    line.write({ jsonrpc: "2.0", method: "notifications/cancelled", params: { requestId: 2, reason: "timeout" } });
    line.callInbox(3);
    expect(await line.answerTo(3)).toContain("twice");
    line.callInbox(4);
    expect(await line.answerTo(4)).toContain("No new message.");
    await eventually(() => expect(dev.peer.sent()[0]?.state).toBe("seen"));
    line.child.stdin.end();
    await line.ended;
  });

  it("takes it as read when the client lives on without another word [SESS-16]", async () => {
    const stage = await prepare();
    const dev = await stage.create("dev");
    const line = await startLine(stage, await stage.otherHome());
    await line.begin();
    await dev.until("joined", 20_000);
    await dev.peer.send({ to: "claude", body: "once" });
    line.callInbox(2);
    await line.answerTo(2);
    await eventually(() => expect(dev.peer.sent()[0]?.state).toBe("seen"), { timeoutMs: 20_000 });
    line.child.stdin.end();
    await line.ended;
  });

  it("gives out to the next server of the name what a killed one had not proved to be read [SESS-16]", async () => {
    const stage = await prepare();
    const dev = await stage.create("dev");
    const home = await stage.otherHome();
    const line = await startLine(stage, home);
    await line.begin();
    await dev.until("joined", 20_000);
    await dev.peer.send({ to: "claude", body: "read" });
    line.callInbox(2);
    await line.answerTo(2);
    await dev.peer.send({ to: "claude", body: "unproved" });
    line.callInbox(3);
    await line.answerTo(3);
    line.child.kill("SIGKILL");
    await line.ended;
    const next = await startLine(stage, home);
    await next.begin();
    next.callInbox(2);
    const text = await next.answerTo(2);
    expect(text).toContain("unproved");
    expect(text).not.toContain("\\nread\\n");
    next.child.stdin.end();
    await next.ended;
  });

  it("gives the second server of one name another one, with an inbox of its own", async () => {
    const stage = await prepare();
    const dev = await stage.create("dev");
    const home = await stage.otherHome();
    const first = await stage.client({ home });
    expect(await first.call("pilink_agents")).toContain('You are "claude"');
    const second = await stage.client({ home });
    expect(await second.call("pilink_agents")).toContain('You are "claude-2"');
    await dev.peer.send({ to: "claude", body: "for the first" });
    await dev.peer.send({ to: "claude-2", body: "for the second" });
    expect(await second.call("pilink_inbox", { wait_seconds: 40 })).toMatch(/^1 new message.*for the second/s);
    expect(await first.call("pilink_inbox", { wait_seconds: 40 })).toMatch(/^1 new message.*for the first/s);
  });

  it("ends at once with the reason where it is set up wrongly", async () => {
    const stage = await prepare();
    const line = await startLine(stage, await stage.otherHome(), { name: "_reserved" });
    await line.ended;
    expect(line.child.exitCode).not.toBe(0);
    expect(line.stderr()).toContain('"_reserved"');
    expect(line.lines).toEqual([]);
  });
});

describe("entering", () => {
  it("of a network that the person set up creates it where there is none", async () => {
    const stage = await prepare();
    const claude = await stage.client();
    expect(await claude.call("pilink_agents")).toMatch(/You are "claude" in the network .* Nobody else is here\./);
    const dev = await stage.join("dev");
    expect(namesIn(dev)).toEqual(["claude", "dev"]);
    expect(await claude.call("pilink_send", { to: "all", body: "welcome" })).toContain("dev: received");
  });

  it("tells why it fails, and tries again with the next call", async () => {
    const stage = await prepare();
    const { proxy, url } = await stage.proxy();
    proxy.cut();
    const claude = await stage.client({ flags: { url } });
    expect(await claude.fail("pilink_agents")).toContain(url);
    proxy.heal();
    expect(await claude.call("pilink_agents")).toContain('You are "claude"');
  });

  it("is done anew after the network has ended", async () => {
    const stage = await prepare();
    const dev = await stage.create("dev");
    const claude = await stage.client();
    await claude.call("pilink_agents");
    const waiting = claude.call("pilink_inbox", { wait_seconds: 45 });
    await dev.peer.leave();
    expect(await claude.call("pilink_agents")).toMatch(/You are "claude" .* Nobody else is here\./);
    // Who waits for a message does so in the network that is there then.
    const prod = await stage.join("prod");
    await prod.peer.send({ to: "claude", body: "good morning" });
    expect(await waiting).toContain("\ngood morning\n");
  });

  it("is a model's to ask for where the person chose no network", async () => {
    const stage = await prepare();
    const dev = await stage.create("dev");
    const claude = await stage.idleClient();
    const { tools } = await claude.client.listTools();
    expect(tools.map(({ name }) => name).slice(3)).toEqual(["pilink_join", "pilink_leave"]);
    for (const [name, parameters] of [
      ["pilink_agents", {}],
      ["pilink_inbox", { wait_seconds: 5 }],
      ["pilink_send", { to: "dev", body: "hello" }],
    ] as const) {
      expect(await claude.fail(name, parameters)).toMatch(/This agent is in no network\..*pilink_join/);
    }
    expect(await claude.call("pilink_leave")).toBe("This agent was in no network.");
    expect(await claude.fail("pilink_join")).toContain("Which network?");
    expect(await claude.fail("pilink_join", { network: "_x" })).toContain("reserved");
    const missing = await claude.fail("pilink_join", { network: `${stage.network}-none` });
    expect(missing).toContain("Call pilink_join with create true to create it");
    expect(missing).not.toContain("/pilink");
    expect(await claude.fail("pilink_join", { network: stage.network, name: "dev" })).toContain('"dev-2"');
    const joined = await claude.call("pilink_join", { network: stage.network, name: "claude", role: "tests" });
    expect(joined).toContain('You are "claude"');
    expect(dev.peer.roster()[1]).toMatchObject({ name: "claude", presence: { role: "tests" } });
    expect(await claude.fail("pilink_join", { network: "other" })).toContain("Call pilink_leave first.");
    expect(await claude.call("pilink_leave")).toBe(`"claude" has left the network "${stage.network}".`);
    await dev.until("departed");
    await claude.call("pilink_join", { network: `${stage.network}-new`, create: true });
    expect(await claude.call("pilink_agents")).toContain("Nobody else is here.");
  });

  it("starts no broker where a model joins and none is there", async () => {
    const stage = await prepare();
    const url = `mqtt://127.0.0.1:${await freePort()}`;
    const claude = await stage.idleClient({ flags: { url } });
    const refused = await claude.fail("pilink_join", { network: stage.network });
    expect(refused).toMatch(new RegExp(`Nothing listens at ${url}: .* pilink_join with create true would start one`));
    expect(refused).not.toContain("/pilink");
    await expect(findNetworks({ home: stage.home, url })).rejects.toMatchObject({ code: "broker-unreachable" });
  });

  it("of a network that only a file in the folder names is not done unasked", async () => {
    const stage = await prepare();
    const dev = await stage.create("dev");
    const home = await stage.otherHome();
    const { mkdir, writeFile } = await import("node:fs/promises");
    await mkdir(join(home, "work"), { recursive: true });
    await writeFile(join(home, "work", ".pilink.json"), JSON.stringify({ network: stage.network, url: stage.url }));
    const claude = await startClient({ home });
    expect(await claude.fail("pilink_agents")).toContain("in no network");
    expect(dev.count("joined")).toBe(0);
    expect(await claude.call("pilink_join")).toContain(`in the network "${stage.network}"`);
    await claude.close();
  });
});
