import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterEach, describe, expect, it } from "vitest";
import { z } from "zod";
import { guardProcess, stopEverything } from "../support/cleanup.ts";
import { eventually } from "../support/eventually.ts";
import { type TemporaryHome, temporaryHome } from "../support/temporary-home.ts";

const main = fileURLToPath(new URL("../../bench/main.ts", import.meta.url));
const timeoutMs = 180_000;

const runSchema = z.object({
  machine: z.object({ cpu: z.string(), cores: z.int().positive(), node: z.literal(process.version) }),
  figures: z.array(
    z.object({ scene: z.string(), subject: z.string(), quantity: z.string(), rounds: z.array(z.number().positive()) }),
  ),
  standings: z.array(z.object({ isReached: z.boolean() })).nonempty(),
});

afterEach(stopEverything);

/** Starts the bench; all that it starts carries the home's path, for its temporary folders are there. */
function startBench(home: TemporaryHome, args: string[]): { child: ChildProcess; output: () => string } {
  const child = spawn(process.execPath, [main, ...args], {
    env: { ...process.env, TMPDIR: home.path },
    stdio: ["ignore", "pipe", "pipe"],
  });
  if (child.pid !== undefined) child.once("exit", guardProcess(child.pid));
  let output = "";
  for (const stream of [child.stdout, child.stderr]) {
    stream?.on("data", (chunk: Buffer) => {
      output += chunk.toString("utf8");
    });
  }
  return { child, output: () => output };
}

/** What is left of a bench that has ended. */
async function leftOvers(home: TemporaryHome): Promise<unknown> {
  const folders = (await readdir(home.path)).filter((name) => name.startsWith("pilink-"));
  return { processes: await home.processes(), folders };
}

describe("npm run bench", () => {
  it("measures every line beside ours, says on what, and leaves nothing behind", { timeout: timeoutMs }, async () => {
    const home = await temporaryHome();
    const path = join(home.path, "run.json");
    const { child, output } = startBench(home, ["--quick", "--only", "message", "--json", path]);
    expect(await once(child, "exit"), output()).toEqual([0, null]);
    const run = runSchema.parse(JSON.parse(await readFile(path, "utf8")));
    const subjects = new Set(run.figures.map(({ subject }) => subject));
    for (const subject of ["managed broker", "bare mqtt.js on managed broker", "HTTP POST + SSE relay", "TCP relay"]) {
      expect(subjects).toContain(subject);
      expect(output()).toContain(subject);
    }
    expect(run.figures.every(({ rounds }) => rounds.length === 1)).toBe(true);
    await eventually(async () => expect(await leftOvers(home)).toEqual({ processes: [], folders: [] }));
  });

  it("leaves nothing behind when it is interrupted", { timeout: timeoutMs }, async () => {
    const home = await temporaryHome();
    const { child, output } = startBench(home, ["--only", "message"]);
    // The brokers run by then, and some of the peers.
    await eventually(async () => expect((await home.processes()).length, output()).toBeGreaterThan(8), {
      timeoutMs: 60_000,
    });
    child.kill("SIGINT");
    expect(await once(child, "exit"), output()).toEqual([1, null]);
    await eventually(async () => expect(await leftOvers(home)).toEqual({ processes: [], folders: [] }));
  });

  it("refuses a scene that it does not have", { timeout: timeoutMs }, async () => {
    const home = await temporaryHome();
    const { child, output } = startBench(home, ["--only", "massage"]);
    expect(await once(child, "exit")).toEqual([1, null]);
    expect(output()).toMatch(/no scene "massage"\. There are: message, /);
  });
});
