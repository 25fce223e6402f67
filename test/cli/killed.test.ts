import { describe, expect, it } from "vitest";
import { eventually } from "../support/eventually.ts";
import { useHost } from "./host.ts";
import { type Running, useShell } from "./shell.ts";

const shell = useShell();
const host = useHost(shell, "killed");

async function kill({ child, ended }: Running): Promise<void> {
  child.kill("SIGKILL");
  await ended;
}

/** The bodies of the messages that a command has written, whole lines only. */
function written(running: Running): unknown[] {
  return running
    .json()
    .filter(({ event }) => event === "message")
    .map(({ body }) => body);
}

// More than the pipe between two processes holds: what writes it stands still in the middle of a line.
const big = "x".repeat(300_000);

describe("kill -9", { timeout: 180_000 }, () => {
  it("of recv while it writes loses nothing: the next one writes it again", async () => {
    const sender = await host.open();
    await shell.does(["join", host.network, "--name", "build", "--background"]);
    await sender.send("build", "first");
    await sender.send("build", big);
    const reader = shell.start(["recv", "--as", "build", "--json"]);
    reader.child.stdout?.pause();
    // It has been given the messages, and has written a part of them.
    await eventually(() => sender.sent.every(({ state }) => state === "injected"), { timeoutMs: 20_000 });
    await kill(reader);
    const again = await shell.does(["recv", "--as", "build", "--json"]);
    expect(again.json.map(({ body }) => body)).toEqual(["first", big]);
    expect(await shell.run(["recv", "--as", "build"])).toMatchObject({ code: 3 });
    await eventually(() => sender.sent.every(({ state }) => state === "seen"), { timeoutMs: 20_000 });
  });

  it("of recv at any moment loses nothing", async () => {
    const sender = await host.open();
    await shell.does(["join", host.network, "--name", "build", "--background"]);
    const seen = new Set<unknown>();
    const rounds = 12;
    for (let round = 0; round < rounds; round += 1) {
      await sender.send("build", round);
      const reader = shell.start(["recv", "--as", "build", "--wait", "20s", "--json"]);
      // From before it can have asked to after it has ended by itself.
      const timer = setTimeout(() => reader.child.kill("SIGKILL"), 100 + round * 60);
      const { stdout } = await reader.ended;
      clearTimeout(timer);
      expect(stdout === "" || stdout.endsWith("\n")).toBe(true);
      for (const body of written(reader)) seen.add(body);
    }
    for (const { body } of (await shell.run(["recv", "--as", "build", "--json"])).json) seen.add(body);
    expect([...seen].sort((a, b) => Number(a) - Number(b))).toEqual(
      Array.from({ length: rounds }, (_, round) => round),
    );
  });

  it("of listen while it writes loses nothing: the next one of its name and folder writes it again", async () => {
    const sender = await host.open();
    const listener = shell.start(["listen", host.network, "--name", "ears", "--json"]);
    await listener.line({ event: "ready" });
    await eventually(() => sender.roster.length === 2);
    listener.child.stdout?.pause();
    await sender.send("ears", big);
    await sender.send("ears", "second");
    await eventually(() => sender.sent[0]?.state === "injected", { timeoutMs: 20_000 });
    await kill(listener);
    const again = shell.start(["listen", host.network, "--name", "ears", "--json"]);
    await again.line({ body: "second" });
    expect(written(again)).toEqual([big, "second"]);
    await eventually(() => sender.sent.every(({ state }) => state === "seen"), { timeoutMs: 20_000 });
    again.child.stdin?.end();
    expect(await again.ended).toMatchObject({ code: 0 });
  });

  it("of listen at any moment loses nothing", async () => {
    const sender = await host.open();
    const seen = new Set<unknown>();
    const rounds = 6;
    let next = 0;
    for (let round = 0; round < rounds; round += 1) {
      const listener = shell.start(["listen", host.network, "--name", "ears", "--json"]);
      await listener.line({ event: "ready" });
      await eventually(() => sender.roster.some(({ name, state }) => name === "ears" && state === "online"), {
        timeoutMs: 20_000,
      });
      for (let count = 0; count < 40; count += 1, next += 1) void sender.send("ears", next, { waitMs: 0 });
      const timer = setTimeout(() => listener.child.kill("SIGKILL"), round * 15);
      await listener.ended;
      clearTimeout(timer);
      for (const body of written(listener)) seen.add(body);
    }
    const last = shell.start(["listen", host.network, "--name", "ears", "--json"]);
    await eventually(
      () => {
        for (const body of written(last)) seen.add(body);
        expect(seen.size).toBe(next);
      },
      { timeoutMs: 60_000 },
    );
    // What was said of a message in the moment of a kill may be lost with it; that it has arrived is said again.
    await eventually(() => sender.sent.every(({ state }) => state !== "queued" && state !== "sent"), {
      timeoutMs: 60_000,
    });
  });

  it("of the reader of listen ends it, and its message is unread again", async () => {
    const sender = await host.open();
    const listener = shell.start(["listen", host.network, "--name", "ears", "--json"]);
    await listener.line({ event: "ready" });
    await eventually(() => sender.roster.length === 2);
    listener.child.stdout?.destroy();
    await sender.send("ears", "nobody reads this");
    expect(await listener.ended).toMatchObject({ code: 1 });
    await eventually(() => sender.roster.length === 1);
    const again = shell.start(["listen", host.network, "--name", "ears", "--json"]);
    await again.line({ body: "nobody reads this" });
  });
});
