import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, afterEach, beforeAll, expect } from "vitest";
import { stopBroker } from "../../broker/managed.ts";
import { readRecords } from "../../cli/background/record.ts";
import { guardProcess, stopEverything } from "../support/cleanup.ts";
import { eventually, withinDeadline } from "../support/eventually.ts";
import { freePort } from "../support/network.ts";
import { type TemporaryHome, temporaryHome } from "../support/temporary-home.ts";

/** What `pilink` is in a clone. */
export const executable = fileURLToPath(new URL("../../cli/pilink.js", import.meta.url));
// A command alone takes half a second; on a machine where everything else runs as well, ten times as long.
const commandLimitMs = 60_000;

/** What a command did. */
export interface Finished {
  code: number | null;
  signal: NodeJS.Signals | null;
  stdout: string;
  stderr: string;
  /** The JSON lines of standard output. */
  json: Record<string, unknown>[];
}

/** How to run a command. */
export interface RunOptions {
  /** What is on its standard input; nothing unless set. */
  stdin?: string;
  /** The name of the folder that it runs in, below the test's home. */
  folder?: string;
  env?: Record<string, string>;
}

/** A command that runs. */
export interface Running {
  pid: number;
  child: ChildProcess;
  stdout(): string;
  stderr(): string;
  /** The JSON lines so far. */
  json(): Record<string, unknown>[];
  /** Waits for a JSON line that has these values. */
  line(fields: Record<string, unknown>): Promise<Record<string, unknown>>;
  write(text: string): void;
  /** Waits until it has ended. */
  ended: Promise<Finished>;
}

/** A person's shell: a home, a folder, and a managed broker that the first command which needs it starts. */
export interface Shell {
  /** Runs a command to its end. */
  run(args: string[], options?: RunOptions): Promise<Finished>;
  /** The same, where it has to end with 0. */
  does(args: string[], options?: RunOptions): Promise<Finished>;
  /** Starts a command; it is killed after the test. */
  start(args: string[], options?: RunOptions): Running;
}

/** Where the commands of a test run. */
export interface ShellPlace {
  /** The folder above those that commands run in; also `HOME`. */
  path: string;
  /** `PILINK_HOME` */
  state: string;
  url: string;
}

/** Prepares what a file of tests needs. At its end nothing may be left running. */
export function useShell(): Shell & { home(): TemporaryHome; state(): string; url(): string } {
  let home: TemporaryHome | undefined;
  let url = "";
  const given = () => home ?? expect.fail("the shell stands only inside of tests and hooks");
  const state = () => join(given().path, "state");
  const shell = makeShell(() => ({ path: given().path, state: state(), url }));

  beforeAll(async () => {
    home = await temporaryHome();
    url = `mqtt://127.0.0.1:${await freePort()}`;
  });
  afterEach(() => shell.close());
  afterAll(async () => {
    try {
      await stopBroker({ home: state(), url });
      await eventually(async () => expect(await given().processes()).toEqual([]), { timeoutMs: 20_000 });
    } finally {
      await stopEverything();
    }
  });
  return { ...shell, home: given, state, url: () => url };
}

/** A shell at a place that somebody else prepares and ends; `close` ends what runs in it. */
export function makeShell(place: () => ShellPlace): Shell & { close(): Promise<void> } {
  const running = new Set<Running>();
  const begin = (args: string[], { folder = "shop", env = {} }: RunOptions): Running => {
    const { path, state, url } = place();
    const cwd = join(path, folder);
    mkdirSync(cwd, { recursive: true });
    const child = spawn(process.execPath, [executable, ...args], {
      cwd,
      env: { PATH: process.env.PATH, HOME: path, PILINK_HOME: state, PILINK_URL: url, NO_COLOR: "1", ...env },
      stdio: ["pipe", "pipe", "pipe"],
    });
    return follow(args, child);
  };
  const shell: Shell = {
    run(args, options = {}) {
      const started = begin(args, options);
      started.child.stdin?.end(options.stdin ?? "");
      return started.ended;
    },
    async does(args, options) {
      const finished = await shell.run(args, options);
      expect(finished, `pilink ${args.join(" ")}`).toMatchObject({ code: 0 });
      return finished;
    },
    start(args, options = {}) {
      const started = begin(args, options);
      running.add(started);
      return started;
    },
  };
  return {
    ...shell,
    async close() {
      for (const { child, ended } of running) {
        child.kill("SIGKILL");
        await ended;
      }
      running.clear();
      await shell.run(["leave", "--all", "--yes"]);
      for (const { record, isAlive } of await readRecords(place().state)) {
        if (isAlive) expect.fail(`the background peer "${record.name}" has not left`);
      }
    },
  };
}

function follow(args: string[], child: ChildProcess): Running {
  const release = guardProcess(child.pid ?? 0);
  let [stdout, stderr] = ["", ""];
  child.stdout?.setEncoding("utf8").on("data", (chunk: string) => {
    stdout += chunk;
  });
  child.stderr?.setEncoding("utf8").on("data", (chunk: string) => {
    stderr += chunk;
  });
  // A command need not read what it is given.
  child.stdin?.on("error", () => undefined);
  const json = () => jsonLines(stdout);
  const ended = withinDeadline(
    once(child, "close").then(([code, signal]): Finished => {
      release();
      return { code, signal, stdout, stderr, json: args.includes("--json") ? json() : [] };
    }),
    commandLimitMs,
    () => `pilink ${args.join(" ")} has not ended.\n${stdout}\n${stderr}`,
  );
  return {
    pid: child.pid ?? expect.fail(`pilink ${args.join(" ")} was not started`),
    child,
    stdout: () => stdout,
    stderr: () => stderr,
    json,
    line: (fields) =>
      eventually(
        () => {
          const found = json().find((line) => Object.entries(fields).every(([key, value]) => line[key] === value));
          if (found === undefined) throw new Error(`no line ${JSON.stringify(fields)} in\n${stdout}\n${stderr}`);
          return found;
        },
        { timeoutMs: 20_000 },
      ),
    write: (text) => void child.stdin?.write(text),
    ended,
  };
}

/** The whole lines of a text, each a JSON object. */
function jsonLines(text: string): Record<string, unknown>[] {
  return text
    .split("\n")
    .slice(0, -1)
    .map((line) => JSON.parse(line));
}
