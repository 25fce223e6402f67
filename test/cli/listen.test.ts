import { describe, expect, it } from "vitest";
import type { Message, NetworkPeer } from "../../library/index.ts";
import { eventually } from "../support/eventually.ts";
import { useHost } from "./host.ts";
import { type Running, useShell } from "./shell.ts";

const shell = useShell();
const host = useHost(shell, "listen");

async function listen(...options: string[]): Promise<Running> {
  const listener = shell.start(["listen", host.network, "--name", "ears", "--json", ...options]);
  await listener.line({ event: "ready" });
  return listener;
}

async function take(peer: NetworkPeer, many: number): Promise<Message[]> {
  const taken: Message[] = [];
  for await (const message of peer) {
    taken.push(message);
    if (taken.length === many) break;
  }
  return taken;
}

describe("listen --json", { timeout: 120_000 }, () => {
  it("tells who is here and what arrives, and sends what it is given", async () => {
    const peer = await host.open();
    const listener = await listen("--role", "the ears");
    expect(await listener.line({ event: "ready" })).toMatchObject({
      network: host.network,
      name: "ears",
      kind: "member",
      url: shell.url(),
    });
    await eventually(() => peer.roster[1]?.presence.role === "the ears");
    await peer.send("ears", { question: 1 }, { type: "query" });
    const got = await listener.line({ event: "message" });
    expect(got).toMatchObject({ from: "dev", verified: true, type: "query", body: { question: 1 }, late: false });
    listener.write(
      `${JSON.stringify({ to: "dev", body: ["the", "answer"], re: got.id, type: "result", id: "mine" })}\n`,
    );
    expect(await take(peer, 1)).toMatchObject([{ from: "ears", body: ["the", "answer"], re: got.id, type: "result" }]);
    const outcome = await listener.line({ event: "outcome" });
    expect(outcome).toMatchObject({ tag: "mine", line: 1, outcomes: [{ to: "dev", state: expect.any(String) }] });
    listener.write(`${JSON.stringify({ to: "dev", body: "later", id: 2 })}\n`);
    const later = await listener.line({ event: "outcome", tag: 2 });
    expect(later.outcomes).toMatchObject([{ to: "dev", state: "received" }]);
    await take(peer, 1);
    expect(await listener.line({ event: "sent", to: "dev", state: "seen" })).toHaveProperty("id");
    listener.child.stdin?.end();
    expect(await listener.ended).toMatchObject({ code: 0, stderr: "" });
    await eventually(() => peer.roster.length === 1);
  });

  it("answers a bad line, and goes on", async () => {
    const peer = await host.open();
    const listener = await listen();
    const bad = [
      "{",
      "[]",
      "null",
      '"text"',
      "{}",
      '{"to":"dev"}',
      '{"body":"nobody"}',
      '{"to":7,"body":"x"}',
      '{"to":[],"body":"x"}',
      '{"to":"dev","body":"x","type":"shout"}',
      '{"to":"dev","body":"x","ttl":-1}',
      '{"to":"dev","body":"x","re":"no id"}',
      '{"to":"dev","body":"x","unknown":1}',
      `{"to":"dev","body":${"[".repeat(5_000)}${"]".repeat(5_000)}}`,
      `{"to":"dev","body":"${"x".repeat(1024 * 1024 + 1)}"}`,
      "\u0000\u001b[2J\ufffd",
    ];
    for (const line of bad) listener.write(`${line}\n`);
    listener.write("\n   \n");
    listener.write(`{"to":"dev","body":"${"y".repeat(9 * 1024 * 1024)}"}\n`);
    listener.write('{"to":"dev","body":"still here"}\r\n');
    expect(await take(peer, 1)).toMatchObject([{ body: "still here" }]);
    await eventually(() => listener.json().some(({ event, line }) => event === "outcome" && line === bad.length + 4), {
      timeoutMs: 20_000,
    });
    const faults = listener.json().filter(({ event }) => event === "error");
    expect(faults.map(({ line }) => line).sort((a, b) => Number(a) - Number(b))).toEqual([
      ...bad.map((_, index) => index + 1),
      bad.length + 3,
    ]);
    for (const { message, code } of faults) expect([typeof message, typeof code]).toEqual(["string", "string"]);
    // The last line needs no line feed.
    listener.write('{"to":"nobody","body":"x","id":5}');
    listener.child.stdin?.end();
    const ended = await listener.ended;
    expect(ended.code).toBe(0);
    expect(ended.json.at(-1)).toMatchObject({
      event: "outcome",
      tag: 5,
      outcomes: [{ to: "nobody", state: "refused" }],
    });
  });

  it("sends a thousand lines in their order, and gives each its outcome", async () => {
    const peer = await host.open();
    const listener = await listen();
    const taking = take(peer, 1_000);
    listener.write(
      Array.from({ length: 1_000 }, (_, id) => `${JSON.stringify({ to: "dev", body: id, id })}\n`).join(""),
    );
    listener.child.stdin?.end();
    const { code, json } = await listener.ended;
    expect(code).toBe(0);
    const tags = json.flatMap(({ event, tag }) => (event === "outcome" ? [tag] : []));
    expect(tags.sort((a, b) => Number(a) - Number(b))).toEqual(Array.from({ length: 1_000 }, (_, id) => id));
    expect((await taking).map(({ body }) => body)).toEqual(Array.from({ length: 1_000 }, (_, id) => id));
  });

  it("ends with 5 when its network does, and with 0 when it is told to", async () => {
    const peer = await host.open();
    const listener = await listen();
    const other = shell.start(["listen", host.network, "--name", "other", "--json", "--no-input"]);
    await other.line({ event: "ready" });
    await listener.line({ event: "joined", name: "other" });
    other.child.kill("SIGTERM");
    expect(await other.ended).toMatchObject({ code: 0 });
    await listener.line({ event: "departed", name: "other" });
    await peer.close();
    const ended = await listener.ended;
    expect(ended).toMatchObject({ code: 5 });
    expect(ended.json.at(-1)).toMatchObject({ event: "closed", reason: expect.any(String) });
  });

  it("tells that a peer which was killed is back, and not that it left and joined", async () => {
    await host.open();
    const listener = await listen();
    const killed = shell.start(["listen", host.network, "--name", "other", "--json", "--no-input"]);
    await killed.line({ event: "ready" });
    await listener.line({ event: "joined", name: "other" });
    killed.child.kill("SIGKILL");
    await listener.line({ event: "lost", name: "other" });
    const again = shell.start(["listen", host.network, "--name", "other", "--json", "--no-input"]);
    await listener.line({ event: "returned", name: "other" });
    again.child.kill("SIGTERM");
    await listener.line({ event: "departed", name: "other" });
    const told = listener.json().flatMap(({ event, name }) => (name === "other" ? [event] : []));
    expect(told).toEqual(["joined", "lost", "returned", "departed"]);
  });

  it("tells of a name that is taken, and of a network that is not there", async () => {
    await host.open();
    await listen();
    const taken = await shell.run(["listen", host.network, "--name", "ears", "--json"]);
    expect(taken).toMatchObject({ code: 4, stdout: "" });
    expect(JSON.parse(taken.stderr)).toMatchObject({ error: { code: "name-taken" } });
    expect(await shell.run(["listen", "nowhere", "--json"])).toMatchObject({ code: 5 });
    expect(await shell.run(["listen", host.network])).toMatchObject({ code: 2 });
  });
});
