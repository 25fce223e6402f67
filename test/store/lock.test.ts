import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterEach, expect, it } from "vitest";
import { acquireLock, type HeldLock, readLock, takeGeneration, waitForLock } from "../../store/lock.ts";
import { ownIdentity } from "../../store/process.ts";
import type { ProcessIdentity } from "../../store/process-identity.ts";
import { guardProcess, onCleanup, stopEverything } from "../support/cleanup.ts";
import { temporaryHome } from "../support/temporary-home.ts";

afterEach(stopEverything);

async function lockFolder(): Promise<string> {
  return join((await temporaryHome()).path, "state", "lock");
}

async function take(folder: string, extra?: Record<string, unknown>): Promise<HeldLock> {
  const lock = await acquireLock(folder, extra);
  if (lock.held) throw new Error(`held by ${lock.holder.pid}`);
  return lock;
}

/** A lock file as another process, with this identity, would have left it. */
function leaveLock(folder: string, generation: number, holder: ProcessIdentity, released = false): void {
  mkdirSync(folder, { recursive: true });
  const content = { holder, token: `token-${generation}`, released, extra: { by: "another" } };
  writeFileSync(join(folder, `lock.${generation}`), JSON.stringify(content));
}

function generationsIn(folder: string): string[] {
  return readdirSync(folder).sort();
}

it("is held until it is released, and tells about its holder", async () => {
  const folder = await lockFolder();
  expect(await readLock(folder)).toBeUndefined();
  const first = await take(folder, { epoch: "e1" });
  expect(await acquireLock(folder)).toMatchObject({ held: true, alive: "living", extra: { epoch: "e1" } });
  expect(await readLock(folder)).toMatchObject({
    holder: { pid: process.pid },
    alive: "living",
    extra: { epoch: "e1" },
  });
  await Promise.all([first.release(), first.release()]);
  await first.release();
  expect(await readLock(folder)).toBeUndefined();
  const second = await take(folder);
  expect(second.generation).toBe(first.generation + 1);
  await second.release();
});

it("keeps the mark of the last release, so that numbers never start again, and no other file", async () => {
  const folder = await lockFolder();
  for (let round = 1; round <= 5; round += 1) {
    const lock = await take(folder);
    expect(lock.generation).toBe(round);
    await lock.release();
    expect(generationsIn(folder)).toEqual([`lock.${round}`]);
  }
});

it("is readable by its owner only", async () => {
  const folder = await lockFolder();
  const lock = await take(folder);
  expect(statSync(folder).mode & 0o777).toBe(0o700);
  expect(statSync(join(folder, "lock.1")).mode & 0o777).toBe(0o600);
  await lock.release();
  expect(statSync(join(folder, "lock.1")).mode & 0o777).toBe(0o600);
});

it.each([
  ["is gone", { pid: 2 ** 22 + 1 }],
  ["has given its process id to another", { start: "1" }],
  ["ran before the last boot", { boot: "an earlier one" }],
])("is taken from a holder that %s", async (_why, parts) => {
  const folder = await lockFolder();
  leaveLock(folder, 7, { ...ownIdentity(), ...parts });
  expect(await readLock(folder)).toMatchObject({ alive: "dead", extra: { by: "another" } });
  const lock = await take(folder);
  expect(lock.generation).toBe(8);
  expect(generationsIn(folder)).toEqual(["lock.8"]);
});

it.each([
  ["on another machine", { host: "elsewhere.example" }],
  ["in another container", { space: "pid:[1]" }],
])("is left to a holder %s, of whom nothing is known", async (_where, parts) => {
  const folder = await lockFolder();
  leaveLock(folder, 3, { ...ownIdentity(), ...parts });
  expect(await acquireLock(folder)).toMatchObject({ held: true, alive: "unknown" });
});

it("is taken where its file was damaged by a power cut", async () => {
  const folder = await lockFolder();
  for (const [index, text] of ["", "{", '{"holder":3}'].entries()) {
    mkdirSync(folder, { recursive: true });
    writeFileSync(join(folder, `lock.${10 * (index + 1)}`), text);
    const lock = await take(folder);
    expect(lock.generation).toBe(10 * (index + 1) + 1);
    await lock.release();
  }
});

it("is not taken by one who slept between looking and linking: the number was used and removed meanwhile", async () => {
  // The schedule: C sees that nothing is there, or that 1 is released, and sleeps; A takes and releases 1 or 2;
  // B takes the next one and removes the one before. C links the number that A had.
  const folder = await lockFolder();
  const own = join(folder, "own");
  for (const generation of [1, 2]) {
    leaveLock(folder, generation + 1, ownIdentity());
    writeFileSync(own, "{}");
    expect(await takeGeneration(folder, own, generation)).toBe(false);
    expect(generationsIn(folder)).toEqual([`lock.${generation + 1}`, "own"]);
    rmSync(folder, { recursive: true });
  }
});

it("is taken by one of several who look at the same moment", async () => {
  const folder = await lockFolder();
  leaveLock(folder, 1, ownIdentity(), true);
  const results = await Promise.all(Array.from({ length: 6 }, () => acquireLock(folder)));
  expect(results.filter(({ held }) => !held)).toHaveLength(1);
  for (const result of results) if (!result.held) await result.release();
});

it("removes what killed contenders left lying", async () => {
  const folder = await lockFolder();
  leaveLock(folder, 1, ownIdentity(), true);
  const dead = { holder: { ...ownIdentity(), start: "1" }, token: "t", released: false, extra: {} };
  writeFileSync(join(folder, "taking.1-abc.tmp"), JSON.stringify(dead));
  const lock = await take(folder);
  expect(generationsIn(folder)).toEqual(["lock.2"]);
  await lock.release();
});

it("does not mark another's lock as released where its own folder was removed and made again", async () => {
  const folder = await lockFolder();
  const first = await take(folder);
  rmSync(folder, { recursive: true });
  const second = await take(folder);
  expect(second.generation).toBe(first.generation);
  await first.release();
  expect(await acquireLock(folder)).toMatchObject({ held: true });
  rmSync(folder, { recursive: true });
  await second.release();
});

it("is waited for, up to a time", async () => {
  const folder = await lockFolder();
  const first = await take(folder);
  expect(await waitForLock(folder, { timeoutMs: 60 })).toMatchObject({ held: true });
  const waiting = waitForLock(folder, { timeoutMs: 10_000 });
  await first.release();
  const second = await waiting;
  expect(second).toMatchObject({ held: false, generation: 2 });
});

it("cannot be taken in a folder that cannot be used, and says which", async () => {
  const folder = await lockFolder();
  mkdirSync(join(folder, ".."), { recursive: true });
  writeFileSync(folder, "a file");
  await expect(acquireLock(folder)).rejects.toMatchObject({
    code: "state-unusable",
    message: expect.stringContaining(folder),
  });
});

it("has one holder at a time among eight processes, two of which are killed while they hold it", async () => {
  const folder = await lockFolder();
  const meeting = (await temporaryHome()).path;
  const file = fileURLToPath(new URL("./contender.ts", import.meta.url));
  const rounds = 12;
  const outputs = await Promise.all(
    Array.from({ length: 8 }, async (_none, index) => {
      const dieAt = index < 2 ? 4 + index : 0;
      const child = spawn(process.execPath, [file, folder, meeting, String(rounds), String(dieAt)], {
        stdio: ["ignore", "pipe", "inherit"],
      });
      if (child.pid === undefined) throw new Error("no contender");
      const forget = guardProcess(child.pid);
      onCleanup(() => void child.kill("SIGKILL"));
      let output = "";
      child.stdout.on("data", (chunk: Buffer) => {
        output += chunk.toString();
      });
      await once(child, "close");
      forget();
      return output;
    }),
  );
  const lines = outputs.join("").trim().split("\n");
  expect(lines.filter((line) => line.startsWith("violation"))).toEqual([]);
  expect(lines).toHaveLength(6 * rounds + 4 + 5);
  // Every holding has a number of its own.
  expect(new Set(lines).size).toBe(lines.length);
  expect(generationsIn(folder)).toHaveLength(1);
  expect(readFileSync(join(folder, generationsIn(folder)[0] ?? ""), "utf8")).toContain('"released":true');
});
