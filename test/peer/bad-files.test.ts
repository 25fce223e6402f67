import { execFileSync } from "node:child_process";
import { chownSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { failureOf, type Player, prepareStage, type Stage } from "../contract/stage.ts";
import type { TestBroker } from "../support/broker-process.ts";
import { startManagedBroker } from "../support/brokers.ts";
import { onCleanup, stopEverything } from "../support/cleanup.ts";
import { eventually } from "../support/eventually.ts";

const slow = { timeout: 40_000 };
const isRoot = process.getuid?.() === 0;
/** The user nobody of Debian: any other than the one who owns the files would do. */
const stranger = 65_534;

/** The folder of a peer's state. */
function folderOf(stage: Stage, peer: string): string {
  const { hostname, port } = new URL(stage.url);
  return join(stage.home, "networks", `${stage.network}@${hostname}-${port}`, peer);
}

/** Whether this machine lets the test mount a folder, which containers often forbid even to root. */
function mayMount(): boolean {
  if (!isRoot || process.platform !== "linux") return false;
  const folder = "/mnt";
  try {
    execFileSync("/bin/mount", ["--bind", folder, folder], { stdio: "ignore" });
    execFileSync("/bin/umount", [folder], { stdio: "ignore" });
    return true;
  } catch {
    return false;
  }
}

const isMountable = mayMount();
for (const [isPossible, what] of [
  [isRoot, "files of somebody else: only root can give them away"],
  [isMountable, "a disk that is read-only: this machine lets nobody mount one"],
] as const) {
  if (!isPossible) process.stderr.write(`skipped: ${what}\n`);
}

describe("a peer's files", () => {
  let broker: TestBroker | undefined;
  const url = () => broker?.url ?? "";
  beforeAll(async () => {
    broker = await startManagedBroker();
  });
  afterAll(stopEverything);

  /** A host, and a member whose process was killed after it had received three messages. */
  async function killedReceiver(stage: Stage): Promise<Player> {
    const dev = await stage.create("dev");
    const prod = await stage.process();
    await prod.join(stage.processOptions("prod"));
    await eventually(() => dev.peer.roster().length === 2);
    for (const body of ["one", "two", "three"]) {
      expect((await dev.peer.send({ to: "prod", body }))[0]?.state).toBe("received");
    }
    await prod.kill();
    await dev.until("lost");
    return dev;
  }

  it.concurrent(
    "an inbox file that was cut: what is whole stays, and messages go on coming [DEL-2]",
    slow,
    async ({ onTestFinished }) => {
      const stage = await prepareStage(url(), onTestFinished);
      const dev = await killedReceiver(stage);
      const path = join(folderOf(stage, "prod"), "inbox.jsonl");
      const text = readFileSync(path, "utf8");
      writeFileSync(path, text.slice(0, -40));
      const prod = await stage.join("prod");
      expect(prod.bodies()).toEqual(["one", "two"]);
      const [outcome] = await dev.peer.send({ to: "prod", body: "four" });
      expect(outcome?.state).toBe("received");
      await eventually(() => prod.bodies().includes("four"));
      expect(
        readFileSync(path, "utf8")
          .split("\n")
          .slice(0, -1)
          .map((line) => typeof JSON.parse(line)),
      ).not.toContain("undefined");
    },
  );

  it.concurrent(
    "an inbox file that was damaged in its midst: it is put aside, the person is told, and messages go on coming [DEL-2] [ERR-2]",
    slow,
    async ({ onTestFinished }) => {
      const stage = await prepareStage(url(), onTestFinished);
      const dev = await killedReceiver(stage);
      const folder = folderOf(stage, "prod");
      const path = join(folder, "inbox.jsonl");
      const lines = readFileSync(path, "utf8").split("\n");
      const damaged = lines.map((line) => (line.includes('"two"') ? "\u0000\u0001 garbage {" : line)).join("\n");
      writeFileSync(path, damaged);
      const prod = await stage.join("prod");
      const told = await prod.until("trouble");
      expect(told).toMatchObject({ value: { code: "state-unusable", message: expect.stringContaining("1 line of") } });
      expect(prod.bodies()).toEqual(["one", "three"]);
      const aside = readdirSync(folder).find((name) => name.startsWith("inbox.jsonl.damaged-"));
      expect(readFileSync(join(folder, aside ?? ""), "utf8")).toBe(damaged);
      expect((await dev.peer.send({ to: "prod", body: "four" }))[0]?.state).toBe("received");
      expect(prod.bodies()).toEqual(["one", "three", "four"]);
    },
  );

  it.concurrent(
    "an outbox file that was damaged and cut: the rest is delivered, and no number is used again [DEL-1] [DEL-12] [ERR-2]",
    slow,
    async ({ onTestFinished }) => {
      const stage = await prepareStage(url(), onTestFinished);
      const dev = await stage.create("dev");
      const prod = await stage.join("prod");
      const third = await stage.process();
      await third.join(stage.processOptions("third"));
      const { proxy, url: through } = await stage.proxy();
      const far = await stage.join("far", { url: through });
      proxy.cut();
      await dev.until(({ name, value }) => name === "lost" && value.name === "far");
      for (const body of ["one", "two", "three", "four"]) await third.send({ to: "far", body, waitMs: 0 });
      await third.kill();
      const folder = folderOf(stage, "third");
      const path = join(folder, "outbox.jsonl");
      const lines = readFileSync(path, "utf8").split("\n");
      const damaged = lines.map((line) => (line.includes('"two"') ? line.replace("{", "") : line)).join("\n");
      writeFileSync(path, damaged.slice(0, -30));
      const again = await stage.join("third");
      await again.until("trouble");
      expect(readdirSync(folder).some((name) => name.startsWith("outbox.jsonl.damaged-"))).toBe(true);
      proxy.heal();
      await eventually(() => far.bodies().includes("three"), { timeoutMs: 30_000 });
      expect(far.bodies()).not.toContain("two");
      expect((await again.peer.send({ to: "far", body: "new" }))[0]?.state).toBe("received");
      await eventually(() => far.bodies().includes("new"), { timeoutMs: 15_000 });
      expect((await again.peer.send({ to: "prod", body: "fine" }))[0]?.state).toBe("received");
      expect(prod.bodies()).toEqual(["fine"]);
    },
  );

  for (const file of ["inbox.jsonl", "outbox.jsonl", "box.json"]) {
    it.concurrent(`a folder in the place of ${file}: refused with its path, and nothing is held [ERR-1] [LIFE-18]`, async ({
      onTestFinished,
    }) => {
      const stage = await prepareStage(url(), onTestFinished);
      const dev = await stage.create("dev");
      const member = await stage.join("prod");
      await member.peer.leave();
      const path = join(folderOf(stage, "prod"), file);
      renameSync(path, `${path}.before`);
      mkdirSync(path);
      const failure = await failureOf(stage.join("prod"));
      expect(failure).toMatchObject({ code: "state-unusable", message: expect.stringContaining(file) });
      expect(dev.peer.roster()).toHaveLength(1);
      rmSync(path, { recursive: true });
      renameSync(`${path}.before`, path);
      expect((await stage.join("prod")).peer.state).toBe("active");
    });
  }

  it.skipIf(!isRoot)(
    "files of somebody else: refused with the path, and left as they are [ERR-1]",
    slow,
    async ({ onTestFinished }) => {
      const stage = await prepareStage(url(), onTestFinished);
      await stage.create("dev");
      const prod = await stage.process({ uid: stranger });
      const home = await stage.otherHome();
      // The home is the stranger's, and what is in it belongs to root, readable by nobody else.
      chownSync(home, stranger, stranger);
      const { hostname, port } = new URL(stage.url);
      const networks = join(home, "networks");
      const folder = join(networks, `${stage.network}@${hostname}-${port}`, "prod");
      mkdirSync(folder, { recursive: true, mode: 0o700 });
      const failure = await failureOf(prod.join(stage.processOptions("prod", { home })));
      expect(failure).toMatchObject({ code: "state-unusable", message: expect.stringContaining(networks) });
      expect(readdirSync(folder)).toEqual([]);
      // Only the files: the folders are the stranger's own.
      for (const path of [networks, join(folder, ".."), folder]) chownSync(path, stranger, stranger);
      await prod.join(stage.processOptions("prod", { home }));
      await prod.kill();
      chownSync(join(folder, "inbox.jsonl"), 0, 0);
      const again = await stage.process({ uid: stranger });
      const refused = await failureOf(again.join(stage.processOptions("prod", { home })));
      expect(refused).toMatchObject({ code: "state-unusable", message: expect.stringContaining("inbox.jsonl") });
    },
  );

  it.skipIf(!isMountable)(
    "a disk that is read-only: refused with the path, also where a network was joined before [ERR-1] [LIFE-18]",
    slow,
    async ({ onTestFinished }) => {
      const stage = await prepareStage(url(), onTestFinished);
      const dev = await stage.create("dev");
      const home = await stage.otherHome();
      const member = await stage.join("prod", { home });
      await dev.peer.send({ to: "prod", body: "kept" });
      await member.peer.leave();
      execFileSync("/bin/mount", ["--bind", home, home]);
      const unmount = () => void execFileSync("/bin/umount", ["--lazy", home], { stdio: "ignore" });
      const forget = onCleanup(unmount);
      execFileSync("/bin/mount", ["-o", "remount,bind,ro", home]);
      for (const name of ["prod", "new"]) {
        const failure = await failureOf(stage.join(name, { home }));
        expect(failure).toMatchObject({ code: "state-unusable", message: expect.stringContaining(home) });
      }
      expect(dev.peer.roster()).toHaveLength(1);
      forget();
      unmount();
      expect((await stage.join("prod", { home })).bodies()).toEqual(["kept"]);
    },
  );
});
