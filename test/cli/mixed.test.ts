import { execFile } from "node:child_process";
import { accessSync } from "node:fs";
import { delimiter, join } from "node:path";
import { promisify } from "node:util";
import { afterEach, expect, it } from "vitest";
import { joinNetwork } from "../../library/index.ts";
import { create, injected, join as joinPi, type, useStage } from "../e2e/stage.ts";
import { startClient } from "../mcp/client.ts";
import { eventually } from "../support/eventually.ts";
import { stateFolderOf } from "../support/pi-home.ts";
import { executable, makeShell } from "./shell.ts";

const stage = useStage();
const shell = makeShell(() => ({ path: stage.home().path, state: stateFolderOf(stage.home().path), url: stage.url() }));
const ends: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const end of ends.splice(0).reverse()) await end();
  await shell.close();
});

const patient = { timeoutMs: 60_000 };
const mosquittoPub = findOnPath("mosquitto_pub");
if (mosquittoPub === undefined) console.warn("test/cli/mixed.test.ts goes without mosquitto_pub: it is not installed");

function findOnPath(name: string): string | undefined {
  const paths = (process.env.PATH ?? "").split(delimiter).map((folder) => join(folder, name));
  return paths.find((path) => {
    try {
      accessSync(path);
      return true;
    } catch {
      return false;
    }
  });
}

it("two Pis, a stream, a background peer, an MCP client, a program and mosquitto_pub all reach all", async () => {
  expect(mosquittoPub !== undefined || process.env.PILINK_REQUIRE_BROKERS === undefined).toBe(true);
  const home = stateFolderOf(stage.home().path);
  const [dev, prod] = await Promise.all([stage.start("dev"), stage.start("prod")]);
  await create(dev, "mixed");
  await joinPi(prod, "mixed");
  const ears = shell.start(["listen", "mixed", "--name", "ears", "--json"]);
  await ears.line({ event: "ready" });
  await shell.does(["join", "mixed", "--name", "build", "--background"]);
  const program = await joinNetwork({ network: "mixed", name: "program", url: stage.url(), home });
  ends.push(() => program.close());
  const claude = await startClient({
    home,
    folder: "claude",
    args: [executable, "mcp", "--network", "mixed", "--name", "claude"],
    env: { PILINK_URL: stage.url() },
  });
  ends.push(claude.close);
  const names = ["dev", "prod", "ears", "build", "program", "claude"];
  await eventually(async () => expect(await claude.call("pilink_agents")).toMatch(/program/), patient);
  await eventually(() => expect(program.roster.map(({ name }) => name).sort()).toEqual([...names].sort()), patient);
  const listed = await shell.does(["agents", "mixed", "--json"]);
  expect(listed.json.map(({ name }) => name).sort()).toEqual([...names].sort());

  // Everybody to everybody; each way of sending says that each of the five others has it.
  const arrived = /(received|injected|seen)/;
  for (const pi of [dev, prod]) {
    const told = await type(pi, `/pilink send all from ${pi.name}`, 'Message in the network "mixed"');
    for (const name of names) if (name !== pi.name) expect(told.message).toMatch(new RegExp(`${name}: received`));
  }
  ears.write('{"to":"all","body":"from ears"}\n');
  const outcome = await ears.line({ event: "outcome" });
  expect(outcome.outcomes).toHaveLength(5);
  const sent = await shell.does(["send", "all", "from build", "--as", "build", "--network", "mixed", "--json"]);
  expect(sent.json.map(({ state }) => arrived.test(String(state)))).toEqual(Array.from({ length: 5 }, () => true));
  const outcomes = await program.send("all", "from program");
  expect(outcomes.map(({ state }) => arrived.test(state))).toEqual(Array.from({ length: 5 }, () => true));
  const answer = await claude.call("pilink_send", { to: "all", body: "from claude" });
  expect(answer.match(/: received/g)).toHaveLength(5);
  const senders = [...names];
  if (mosquittoPub !== undefined) {
    senders.push("hand");
    for (const name of names) {
      const { port } = new URL(stage.url());
      await promisify(execFile)(mosquittoPub, [
        "-h",
        "127.0.0.1",
        "-p",
        port,
        "-q",
        "1",
        "-t",
        `pilink/mixed/${name}/inbox`,
        "-m",
        "from hand",
      ]);
    }
  }

  // Each message at each receiver.
  const wanted = (name: string) =>
    senders
      .filter((sender) => sender !== name)
      .map((sender) => `from ${sender}`)
      .sort();
  for (const pi of [dev, prod]) for (const text of wanted(pi.name)) await injected(pi, text);
  for (const body of wanted("ears")) await ears.line({ event: "message", body });
  const ofBuild: unknown[] = [];
  await eventually(async () => {
    const taken = await shell.run(["recv", "--as", "build", "--network", "mixed", "--json"]);
    ofBuild.push(...taken.json.map(({ body }) => body));
    expect([...ofBuild].sort()).toEqual(wanted("build"));
  }, patient);
  const ofProgram: unknown[] = [];
  for await (const { body, from, verified } of program) {
    ofProgram.push(body);
    expect([body, verified]).toEqual(verified ? [`from ${from}`, true] : ["from hand", false]);
    if (ofProgram.length === wanted("program").length) break;
  }
  expect(ofProgram.sort()).toEqual(wanted("program"));
  let ofClaude = "";
  await eventually(async () => {
    ofClaude += await claude.call("pilink_inbox");
    for (const text of wanted("claude")) expect(ofClaude).toContain(`\n${text}\n`);
  }, patient);
  // Nobody has one twice, and nobody has its own.
  for (const text of wanted("claude")) expect(ofClaude.split(`\n${text}\n`)).toHaveLength(2);
  const ofEars = ears.json().filter(({ event }) => event === "message");
  expect(ofEars.map(({ body }) => body).sort()).toEqual(wanted("ears"));

  ears.child.stdin?.end();
  expect(await ears.ended).toMatchObject({ code: 0 });
}, 240_000);
