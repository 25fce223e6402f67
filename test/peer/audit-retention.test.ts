import { existsSync, mkdirSync, readdirSync, utimesSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it, onTestFinished } from "vitest";
import { startEmbeddedBroker } from "../../broker/embedded.ts";
import { type Retention, removeOldRecords, tidyHome } from "../../peer/audit-retention.ts";
import { takeState } from "../../peer/state.ts";
import { acquireLock } from "../../store/lock.ts";
import { prepareStage } from "../contract/stage.ts";
import { eventually } from "../support/eventually.ts";
import { temporaryHome } from "../support/temporary-home.ts";

const dayMs = 24 * 60 * 60 * 1_000;
const nowMs = Date.now() + 100 * dayMs;

async function makeHome(): Promise<string> {
  const home = await temporaryHome();
  onTestFinished(() => home.remove());
  return home.path;
}

function retention(home: string, parts: Partial<Retention> = {}): Retention {
  return { home, ownPath: join(home, "networks", "lab", "nobody"), auditDays: 30, nowMs, ...parts };
}

/** A stay of a peer that has ended. @returns its folder */
async function leaveState(home: string, name: string, end: { isOver: boolean; endedMs: number }): Promise<string> {
  const path = join(home, "networks", "lab", name);
  const taken = await takeState(path, "/projects/x", `epoch-${name}`);
  if ("holder" in taken) throw new Error("held");
  const { inbox, outbox } = await taken.state.enter("some-net");
  inbox.journal.close();
  outbox.journal.close();
  for (const file of ["audit.jsonl", "audit.1.jsonl"]) writeFileSync(join(path, file), "{}\n");
  await taken.state.release(end.isOver);
  setTimes(path, end.endedMs);
  return path;
}

function setTimes(path: string, timeMs: number): void {
  for (const name of readdirSync(path)) utimesSync(join(path, name), timeMs / 1_000, timeMs / 1_000);
}

function recordsOf(path: string): string[] {
  return readdirSync(path)
    .filter((name) => !name.startsWith("lock."))
    .sort();
}

const everything = ["audit.1.jsonl", "audit.jsonl", "box.json", "inbox.jsonl", "outbox.jsonl"];

describe("what is removed when somebody enters a network", () => {
  it("is everything of a network that ended longer ago than is to be kept, and nothing earlier", async () => {
    const home = await makeHome();
    const old = await leaveState(home, "old", { isOver: true, endedMs: nowMs - 31 * dayMs });
    const fresh = await leaveState(home, "fresh", { isOver: true, endedMs: nowMs - 29 * dayMs });
    await removeOldRecords(retention(home));
    expect(recordsOf(old)).toEqual([]);
    expect(recordsOf(fresh)).toEqual(everything);
    await removeOldRecords(retention(home, { auditDays: 28 }));
    expect(recordsOf(fresh)).toEqual([]);
  });

  it("is the audit alone where the network may still live: its messages must not come twice", async () => {
    const home = await makeHome();
    const path = await leaveState(home, "away", { isOver: false, endedMs: nowMs - 31 * dayMs });
    await removeOldRecords(retention(home));
    expect(recordsOf(path)).toEqual(["box.json", "inbox.jsonl", "outbox.jsonl"]);
    const again = await takeState(path, "/projects/x", "epoch-again");
    expect("state" in again && again.state.net).toBe("some-net");
  });

  it("is looked for once a day among the folders of others", async () => {
    const home = await makeHome();
    const today = { nowMs: Date.now() };
    const endedMs = today.nowMs - 31 * dayMs;
    const first = await leaveState(home, "first", { isOver: true, endedMs });
    await tidyHome(retention(home, today));
    expect(recordsOf(first)).toEqual([]);
    const second = await leaveState(home, "second", { isOver: true, endedMs });
    await tidyHome(retention(home, today));
    expect(recordsOf(second)).toEqual(everything);
    await tidyHome(retention(home, { nowMs: today.nowMs + 2 * dayMs }));
    expect(recordsOf(second)).toEqual([]);
  });

  it("is everything of a host whose process ended without a farewell: its network has ended with it", async () => {
    const home = await makeHome();
    const path = join(home, "networks", "lab", "host");
    const taken = await takeState(path, "/projects/x", "epoch-host");
    if ("holder" in taken) throw new Error("held");
    const { inbox, outbox } = await taken.state.enter("epoch-host");
    inbox.journal.close();
    outbox.journal.close();
    await taken.state.lock.release();
    setTimes(path, nowMs - 31 * dayMs);
    await removeOldRecords(retention(home));
    expect(recordsOf(path)).toEqual([]);
  });

  it("is nothing that a living process holds, and nothing of the own present stay", async () => {
    const home = await makeHome();
    const held = await leaveState(home, "held", { isOver: true, endedMs: nowMs - 31 * dayMs });
    const own = await leaveState(home, "own", { isOver: true, endedMs: nowMs - 31 * dayMs });
    const lock = await acquireLock(held);
    setTimes(held, nowMs - 31 * dayMs);
    await removeOldRecords(retention(home, { ownPath: own }));
    expect(recordsOf(held)).toEqual(everything);
    expect(recordsOf(own)).toEqual(everything);
    if (!lock.held) await lock.release();
  });

  it("is what was put aside longer ago, also of the own folder", async () => {
    const home = await makeHome();
    const paths: string[] = [];
    for (const name of ["own", "other"]) {
      const path = await leaveState(home, name, { isOver: false, endedMs: nowMs - 31 * dayMs });
      for (const [net, days] of [["long", 31] as const, ["lately", 29] as const]) {
        const folder = join(path, "earlier", net);
        mkdirSync(folder, { recursive: true });
        writeFileSync(join(folder, "audit.jsonl"), "{}\n");
        setTimes(folder, nowMs - days * dayMs);
        utimesSync(folder, (nowMs - days * dayMs) / 1_000, (nowMs - days * dayMs) / 1_000);
      }
      setTimes(path, nowMs - 31 * dayMs);
      paths.push(path);
    }
    const [own = "", other = ""] = paths;
    await removeOldRecords(retention(home, { ownPath: own }));
    for (const path of [own, other]) expect(readdirSync(join(path, "earlier"))).toEqual(["lately"]);
    expect(existsSync(join(own, "audit.jsonl"))).toBe(true);
    expect(existsSync(join(other, "audit.jsonl"))).toBe(false);
  });

  it("is nothing where there is nothing, and where a stranger's file lies about", async () => {
    const home = await makeHome();
    await removeOldRecords(retention(home));
    mkdirSync(join(home, "networks", "lab"), { recursive: true });
    writeFileSync(join(home, "networks", "notes.txt"), "");
    writeFileSync(join(home, "networks", "lab", "notes.txt"), "");
    await removeOldRecords(retention(home));
    expect(existsSync(join(home, "networks", "lab", "notes.txt"))).toBe(true);
  });

  it("is done by a peer that enters, for as many days as it is told", async () => {
    const broker = await startEmbeddedBroker();
    onTestFinished(() => broker.close());
    const stage = await prepareStage(broker.url, onTestFinished);
    const old = await leaveState(stage.home, "old", { isOver: true, endedMs: Date.now() - 3 * dayMs });
    const dev = await stage.create("dev");
    const prod = await stage.join("prod", { auditDays: 4 });
    expect(recordsOf(old)).toEqual(everything);
    await prod.peer.leave();
    await stage.join("prod", { auditDays: 2 });
    await eventually(() => recordsOf(old).length === 0);
    expect(dev.count("trouble")).toBe(0);
  });
});
