import { execFile, execFileSync, spawnSync } from "node:child_process";
import { readFileSync, rmSync, symlinkSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { describe, expect, it, onTestFinished, vi } from "vitest";
import { z } from "zod";
import { startEmbeddedBroker } from "../../broker/embedded.ts";
import { Audit } from "../../peer/audit.ts";
import { statePath } from "../../peer/state.ts";
import { folderNameOf } from "../../protocol/address.ts";
import { prepareStage, type Stage } from "../contract/stage.ts";
import { eventually } from "../support/eventually.ts";
import { temporaryHome } from "../support/temporary-home.ts";
import { envelopeOf } from "./sample-records.ts";

const lineSchema = z.looseObject({ at: z.int(), op: z.enum(["out", "in", "state", "gap"]) });

function readLines(path: string): z.infer<typeof lineSchema>[] {
  const parts = readFileSync(path, "utf8").split("\n");
  expect(parts.pop()).toBe("");
  return parts.map((part) => lineSchema.parse(JSON.parse(part)));
}

async function makeFolder(): Promise<string> {
  const home = await temporaryHome();
  onTestFinished(() => home.remove());
  return home.path;
}

async function makeStage(): Promise<Stage> {
  const broker = await startEmbeddedBroker();
  onTestFinished(() => broker.close());
  return prepareStage(broker.url, onTestFinished);
}

/** Where a player of a stage has its files. */
function stateOf(stage: Stage, name: string): string {
  return statePath(stage.home, stage.network, folderNameOf(stage.url), name);
}

describe("the audit of a peer", () => {
  it("holds every message in and out, and the states of each", async () => {
    const stage = await makeStage();
    const dev = await stage.create("dev");
    const prod = await stage.join("prod");
    const [sent] = await dev.peer.send({ to: "prod", body: "Can you review?" });
    const id = sent?.id ?? "";
    prod.peer.markInjected([id], "session");
    prod.peer.markSeen([id]);
    const [answer] = await prod.peer.send({ to: "dev", body: "Yes.", re: id });
    await dev.until((told) => told.name === "sent" && told.value.state === "replied");
    await prod.peer.leave();
    await dev.peer.leave();

    const out = readLines(join(stateOf(stage, "dev"), "audit.jsonl"));
    expect(out.filter((line) => line.id === id).map(({ op, of, peer, state }) => [op, of, peer, state])).toEqual([
      ["out", undefined, "prod", undefined],
      ...["sent", "received", "injected", "seen", "replied"].map((state) => ["state", "out", "prod", state]),
    ]);
    expect(out[0]?.envelope).toMatchObject({ id, from: "dev", to: "prod", body: "Can you review?", seq: 1 });
    expect(out.find((line) => line.op === "in")).toMatchObject({ id: answer?.id, peer: "prod", verified: true });

    const taken = readLines(join(stateOf(stage, "prod"), "audit.jsonl"));
    expect(taken.filter((line) => line.id === id).map(({ op, of, peer, state }) => [op, of, peer, state])).toEqual([
      ["in", undefined, "dev", undefined],
      ...["injected", "seen", "replied"].map((state) => ["state", "in", "dev", state]),
    ]);
  });

  it("holds what was refused, what came by hand, and what became unread again", async () => {
    const stage = await makeStage();
    const raw = await stage.raw();
    const dev = await stage.create("dev");
    const prod = await stage.join("prod", { isBlocked: (from) => from === "dev" });
    const [outcome] = await dev.peer.send({ to: "prod", body: "let me in" });
    expect(outcome?.state).toBe("denied");
    await raw.publish(stage.topic("prod", "inbox"), "by hand");
    await prod.until("message");
    const [byHand] = prod.peer.inbox();
    prod.peer.markInjected([byHand?.id ?? ""], "session");
    expect(prod.peer.releaseSession("session")).toHaveLength(1);
    await prod.peer.leave();
    const lines = readLines(join(stateOf(stage, "prod"), "audit.jsonl"));
    expect(lines).toMatchObject([
      { op: "in", id: outcome?.id, peer: "dev", envelope: { body: "let me in" } },
      { op: "state", of: "in", id: outcome?.id, state: "denied", reason: expect.stringContaining("prod") },
      { op: "in", id: byHand?.id, peer: null, verified: false, envelope: { body: "by hand" } },
      { op: "state", of: "in", id: byHand?.id, state: "injected" },
      { op: "state", of: "in", id: byHand?.id, state: "unread" },
    ]);
  });

  it.runIf(process.platform === "linux")("that cannot be written is said once, and stops no message", async () => {
    const stage = await makeStage();
    const path = join(stateOf(stage, "dev"), "audit.jsonl");
    const dev = await stage.create("dev");
    // Takes no byte, with the error of a full disk.
    symlinkSync("/dev/full", path);
    const prod = await stage.join("prod");
    const bodies = Array.from({ length: 20 }, (_none, index) => `message ${index}`);
    for (const body of bodies) {
      const [outcome] = await dev.peer.send({ to: "prod", body });
      expect(outcome?.state).toBe("received");
    }
    expect(prod.bodies()).toEqual(bodies);
    const trouble = await dev.until("trouble");
    expect(trouble.value).toMatchObject({
      code: "state-unusable",
      message: expect.stringMatching(/audit\.jsonl.*space/),
    });
    expect(dev.count("trouble")).toBe(1);

    rmSync(path);
    await dev.peer.send({ to: "prod", body: "again" });
    await dev.peer.leave();
    const [gap, ...rest] = readLines(path);
    expect(gap).toMatchObject({ op: "gap", lines: expect.any(Number) });
    expect(rest.slice(-3)).toMatchObject([{ op: "out" }, { state: "sent" }, { state: "received" }]);
    expect(dev.count("trouble")).toBe(1);
  });

  it("belongs to one process: who finds the folder held gets another name, or a refusal", async () => {
    const stage = await makeStage();
    const dev = await stage.create("dev");
    const first = await stage.process();
    const second = await stage.process();
    await first.join(stage.processOptions("prod"));
    await expect(second.join(stage.processOptions("prod"))).rejects.toMatchObject({ code: "name-taken" });
    const status = await second.join({ ...stage.processOptions("prod"), nameChosen: false });
    expect(status.name).toBe("prod-2");
    for (const to of ["prod", "prod-2"]) await dev.peer.send({ to, body: `to ${to}` });
    await first.leave();
    await second.leave();
    for (const name of ["prod", "prod-2"]) {
      expect(readLines(join(stateOf(stage, name), "audit.jsonl"))).toMatchObject([
        { op: "in", envelope: { body: `to ${name}` } },
      ]);
    }
  });

  it("goes aside with the instance that it tells of", async () => {
    const stage = await makeStage();
    const path = stateOf(stage, "dev");
    const nets: string[] = [];
    for (const body of ["first", "second"]) {
      const dev = await stage.create("dev");
      await stage.join("prod", { home: await stage.otherHome() });
      await dev.peer.send({ to: "prod", body });
      nets.push(dev.peer.net);
      await dev.peer.leave();
      expect(readLines(join(path, "audit.jsonl"))[0]).toMatchObject({ envelope: { net: dev.peer.net, body } });
    }
    const aside = readLines(join(path, "earlier", nets[0] ?? "", "audit.jsonl"));
    expect(aside[0]).toMatchObject({ envelope: { net: nets[0], body: "first" } });
  });
});

describe("an audit", () => {
  it("writes many lines at once, after a moment, when it is closed, and where there are many", async () => {
    vi.useFakeTimers();
    onTestFinished(() => void vi.useRealTimers());
    const path = join(await makeFolder(), "audit.jsonl");
    const faults: unknown[] = [];
    const audit = new Audit({ path, nowMs: () => 7, onFault: (fault) => faults.push(fault) });
    const listeners = process.listenerCount("exit");
    audit.noteOut(envelopeOf({ id: "one" }));
    audit.noteState("out", "one", "prod", "sent");
    expect(() => readFileSync(path)).toThrow("ENOENT");
    expect(process.listenerCount("exit")).toBe(listeners + 1);
    await vi.advanceTimersByTimeAsync(100);
    expect(readLines(path)).toMatchObject([
      { op: "out", id: "one", at: 7 },
      { op: "state", state: "sent" },
    ]);
    expect(process.listenerCount("exit")).toBe(listeners);
    for (let count = 0; count < 512; count += 1) audit.noteState("out", "one", "prod", "received");
    expect(readLines(path)).toHaveLength(514);
    audit.noteState("out", "one", "prod", "expired", "too late");
    audit.close();
    audit.close();
    expect(readLines(path).at(-1)).toEqual({
      ...{ at: 7, op: "state", id: "one", peer: "prod", of: "out", state: "expired", reason: "too late" },
    });
    expect(faults).toEqual([]);
  });

  it("is whole when its process ends in the middle of its work", async () => {
    const path = join(await makeFolder(), "audit.jsonl");
    const main = fileURLToPath(new URL("audit-main.ts", import.meta.url));
    await promisify(execFile)(process.execPath, [main, path, "1000"]);
    expect(readLines(path)).toHaveLength(1_000);
  });

  it("is readable by jq, as the README shows", async () => {
    const path = join(await makeFolder(), "audit.jsonl");
    const audit = new Audit({ path, nowMs: () => 1_795_240_000_000, onFault: () => undefined });
    audit.noteOut(envelopeOf({ id: "one", to: "prod", body: "Can you review?" }));
    audit.noteState("out", "one", "prod", "received");
    audit.noteIn("two", true, {
      kind: "envelope",
      envelope: envelopeOf({ id: "two", from: "prod", body: { ok: true } }),
    });
    audit.noteOut(envelopeOf({ id: "three" }));
    audit.noteState("out", "three", "prod", "denied", "blocked");
    audit.close();
    const readme = readFileSync(new URL("../../README.md", import.meta.url), "utf8");
    const lines = readme.split("\n").filter((line) => line.startsWith("jq ") && line.includes("audit.jsonl"));
    expect(lines).toHaveLength(2);
    if (spawnSync("sh", ["-c", "command -v jq"]).status !== 0) return;
    const outputs = lines.map((line) => {
      const command = line.replace(/\S*audit\.jsonl/, path).replace("V1StGXR8_Z5jdHi6B-myT", "three");
      return execFileSync("sh", ["-c", command], { encoding: "utf8" }).trim().split("\n");
    });
    expect(outputs).toEqual([
      [
        "2026-11-21T05:46:40Z to prod: Can you review?",
        '2026-11-21T05:46:40Z from prod: {"ok":true}',
        "2026-11-21T05:46:40Z to prod: Can you review the diff?",
      ],
      ["2026-11-21T05:46:40Z denied blocked"],
    ]);
  });

  it("is torn at most in its last line by a SIGKILL, and goes on behind the one before", async () => {
    const path = join(await makeFolder(), "audit.jsonl");
    const main = fileURLToPath(new URL("audit-main.ts", import.meta.url));
    for (let round = 0; round < 3; round += 1) {
      const child = execFile(process.execPath, [main, path, "Infinity"]);
      onTestFinished(() => void child.kill("SIGKILL"));
      const before = sizeOf(path);
      await eventually(() => sizeOf(path) > before + 10_000, { timeoutMs: 15_000, everyMs: 5 });
      const ended = new Promise((resolve) => child.once("exit", resolve));
      child.kill("SIGKILL");
      await ended;
      const parts = readFileSync(path, "utf8").split("\n");
      for (const part of parts.slice(0, -1)) lineSchema.parse(JSON.parse(part));
    }
    const audit = new Audit({ path, nowMs: () => 7, onFault: () => undefined });
    audit.noteState("out", "one", "prod", "sent");
    audit.close();
    expect(readLines(path).at(-1)).toMatchObject({ at: 7 });
  });
});

function sizeOf(path: string): number {
  try {
    return readFileSync(path).length;
  } catch {
    return 0;
  }
}
