import { execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdir, readFile, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { createNetwork, type Message, type NetworkPeer } from "../../library/index.ts";
import { projectFolder } from "../install/tools.ts";
import { startManagedBroker } from "../support/brokers.ts";
import { guardProcess, onCleanup, stopEverything } from "../support/cleanup.ts";
import { eventually, withinDeadline } from "../support/eventually.ts";
import { temporaryHome } from "../support/temporary-home.ts";

/** The examples of the README's section, in order. */
async function readExamples(): Promise<string[]> {
  const readme = await readFile(join(projectFolder, "README.md"), "utf8");
  const section = readme.split(/^## /m).find((text) => text.startsWith("From a program\n")) ?? "";
  return [...section.matchAll(/```ts\n(.*?)```/gs)].map(([, code = ""]) => code);
}

const library = join(projectFolder, "library", "index.ts");
let examples: string[] = [];
let folder = "";
let url = "";
let dev: NetworkPeer;
/** What an agent called dev was sent, from when it asks for it. */
const devMessages: AsyncIterator<Message>[] = [];

beforeAll(async () => {
  examples = await readExamples();
  folder = (await temporaryHome()).path;
  url = (await startManagedBroker()).url;
  await mkdir(join(folder, "node_modules"));
  for (const name of ["@types", "undici-types"]) {
    await symlink(join(projectFolder, "node_modules", name), join(folder, "node_modules", name));
  }
  await writeFile(join(folder, "package.json"), JSON.stringify({ type: "module" }));
  for (const [index, code] of examples.entries()) await writeFile(join(folder, `example-${index}.ts`), code);
  dev = await createNetwork({ network: "lab", name: "dev", url, home: join(folder, "home") });
  devMessages.push(dev[Symbol.asyncIterator]());
});
afterAll(async () => {
  await dev.close();
  await stopEverything();
});

/** Runs an example as a program of a user, with what its environment sets. */
async function run(index: number) {
  const hooks = `import { registerHooks } from "node:module"; registerHooks({ resolve: (name, context, next) => next(name === "pilink-mqtt" ? ${JSON.stringify(pathToFileURL(library).href)} : name, context) });`;
  const child = spawn(
    process.execPath,
    ["--import", `data:text/javascript,${encodeURIComponent(hooks)}`, join(folder, `example-${index}.ts`)],
    {
      cwd: folder,
      env: { PATH: process.env.PATH, PILINK_HOME: join(folder, "home"), PILINK_URL: url },
      stdio: ["ignore", "pipe", "pipe"],
    },
  );
  let stdout = "";
  let stderr = "";
  child.stdout.on("data", (chunk: Buffer) => {
    stdout += chunk.toString("utf8");
  });
  child.stderr.on("data", (chunk: Buffer) => {
    stderr += chunk.toString("utf8");
  });
  const release = guardProcess(child.pid ?? 0);
  const exited = once(child, "exit").then(() => release());
  onCleanup(async () => {
    child.kill("SIGKILL");
    await exited;
  });
  return async () => {
    await withinDeadline(exited, 30_000, () => `The example runs on.\n${stdout}${stderr}`);
    expect(stderr).toBe("");
    expect(child.exitCode).toBe(0);
    return stdout;
  };
}

async function nextForDev(): Promise<Message> {
  const next = await devMessages[0]?.next();
  if (next === undefined || next.done === true) throw new Error("dev was not sent anything.");
  return next.value;
}

describe("the examples of the README for programs", () => {
  it("are as many as are tested here", () => {
    expect(examples).toHaveLength(3);
  });

  it("compile, under the strictest settings", { timeout: 60_000 }, async () => {
    const own: unknown = JSON.parse(await readFile(join(projectFolder, "tsconfig.json"), "utf8"));
    const config = {
      compilerOptions: {
        ...(typeof own === "object" && own !== null && "compilerOptions" in own ? Object(own.compilerOptions) : {}),
        paths: { "pilink-mqtt": [library] },
        // The example that shows one thing need not use all that it names.
        noUnusedLocals: false,
      },
      include: ["example-*.ts"],
    };
    await writeFile(join(folder, "tsconfig.json"), JSON.stringify(config));
    const tsc = join(projectFolder, "node_modules", ".bin", "tsc");
    const { stdout } = await promisify(execFile)(tsc, ["-p", folder]).catch((error: { stdout: string }) => error);
    expect(stdout).toBe("");
  });

  it("send a message, and leave", async () => {
    const finish = await run(0);
    expect(await nextForDev()).toMatchObject({ from: "build", verified: true, body: expect.stringContaining("red") });
    expect(await finish()).toMatch(/^(?:received|injected|seen)\n$/);
    await eventually(() => expect(dev.roster.map(({ name }) => name)).not.toContain("build"));
  });

  it("answer what comes, until they are told to stop", async () => {
    const finish = await run(1);
    await once(dev.events, "joined");
    await dev.send("clock", "what time is it?");
    const answer = await nextForDev();
    expect(answer).toMatchObject({ from: "clock", type: "result", re: dev.sent.at(-1)?.id });
    expect(answer.body).toEqual({ now: expect.stringMatching(/^\d{4}-/) });
    await dev.send("clock", "stop");
    expect(await finish()).toBe("");
  });

  it("show who is here, what became of messages, and what errors say", async () => {
    const finish = await run(2);
    expect(await nextForDev()).toMatchObject({ from: "release", type: "task", body: { version: "1.4.0" } });
    const lines = (await finish()).split("\n");
    expect(lines).toContain("dev online ");
    expect(lines.some((line) => /^dev (?:received|injected|seen) \w+$/.test(line))).toBe(true);
    expect(lines.find((line) => line.startsWith("nobody refused "))).toContain("nobody");
    expect(lines.find((line) => line.startsWith("too-big "))).toContain("1 MiB");
  });
});
