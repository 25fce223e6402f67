import { existsSync } from "node:fs";
import { mkdir, readFile, stat, writeFile } from "node:fs/promises";
import { join as joinPath } from "node:path";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { readHomeSettings } from "../../peer/settings.ts";
import { eventually } from "../support/eventually.ts";
import { runPiOnce } from "../support/pi-print.ts";
import type { PiProcess } from "../support/pi-process.ts";
import type { DialogAnswer, PiDialog } from "../support/pi-records.ts";
import { brokerPid, create, join, type, useStage } from "./stage.ts";

// Each test starts several Pis, one after the other, and other files run beside this one.
vi.setConfig({ testTimeout: 60_000 });

const stage = useStage();
const configPath = () => joinPath(stage.broker().home, "config.json");

/** A choice is named by how its label begins, an input by what is typed; null is Escape. */
type Answer = DialogAnswer;

/** Runs the wizard, answers its dialogs one after the other, and gives the dialogs and the notices that came. */
async function setup(pi: PiProcess, answers: Answer[], line = "/pilink setup") {
  const since = pi.mark();
  const first = pi.dialogs.length;
  const left = [...answers];
  pi.answerDialog((dialog) => {
    const answer = left.shift();
    if (answer === undefined) throw new Error(`Nobody expected the dialog ${JSON.stringify(dialog)}`);
    return dialog.method === "select" && typeof answer === "string" ? labelOf(dialog, answer) : answer;
  });
  await pi.prompt(line);
  const notices = pi.records
    .slice(since)
    .flatMap(({ method, message }) => (method === "notify" && typeof message === "string" ? [message] : []));
  expect(left, "answers that nobody asked for").toEqual([]);
  return { dialogs: pi.dialogs.slice(first), text: notices.join("\n") };
}

function labelOf({ options = [] }: PiDialog, start: string): string {
  return options.find((option) => option.startsWith(start)) ?? expect.fail(`no "${start}" in ${options.join(" | ")}`);
}

/** What is kept for the folder of a Pi. */
async function remembered(pi: PiProcess): Promise<unknown> {
  return readHomeSettings(stage.broker().home).folders?.[pi.cwd];
}

describe("the wizard, where nothing runs", () => {
  test("starts no broker and writes nothing to look, nor for whoever gives up at any step", async () => {
    const pi = await stage.start("lone");
    for (const answers of [
      [null],
      ["Create", null],
      ["Create", "no/name", null],
      ["Another name", null],
      ["Another name", "all", null],
      ["Another name", "me", null],
      ["Another broker", null],
      ["Another broker", "Local", null],
      ["Another broker", "LAN", null],
      ["Another broker", "LAN", "http://web", null],
      ["Another broker", "LAN", "8.8.8.8", false],
      ["Another broker", "Remote", null],
      ["Another broker", "Remote", "mqtt://broker.invalid", false],
      ["Another broker", "Remote", "broker.invalid", null],
    ] satisfies Answer[][]) {
      const { text } = await setup(pi, answers);
      expect(text, JSON.stringify(answers)).toBe("Nothing was changed.");
    }
    expect(existsSync(configPath())).toBe(false);
    expect((await stage.home().processes()).map(({ pid }) => pid)).toEqual([pi.pid]);
  });

  test("is what a bare /pilink is, until there is a network", async () => {
    const pi = await stage.start("bare");
    const { dialogs } = await setup(pi, [null], "/pilink");
    expect(dialogs[0]).toMatchObject({ method: "select", title: `pilink: no network yet on ${stage.url()}` });
    await create(pi, "lab");
    const { text } = await setup(pi, [], "/pilink");
    expect(text).toContain('Network "lab": active');
    const guest = await stage.start("guest");
    await join(guest, "lab");
    await type(pi, "/pilink leave --yes", "has left");
    await guest.waitForStatus("pilink", (status) => status?.includes("closed") === true);
    const after = await setup(guest, [null], "/pilink");
    expect(after.dialogs[0]?.title).toBe(`pilink: no network yet on ${stage.url()}`);
    expect(after.text).toBe("Nothing was changed.");
  });

  test("cannot ask anybody in `pi -p`, and says what to use", async () => {
    const options = { home: stage.home().path, name: "print", model: stage.model(), modelId: "print" };
    for (const line of ["/pilink setup", "/pilink"]) {
      const run = await runPiOnce(options, [line]);
      expect(run.code).toBe(0);
      if (line.endsWith("setup")) expect(run.stderr).toMatch(/Nobody can be asked here.*\/pilink create <network>/);
    }
    expect(existsSync(configPath())).toBe(false);
  });
});

describe("the wizard", () => {
  let dev: PiProcess;
  let prod: PiProcess;
  beforeEach(async () => {
    [dev, prod] = await Promise.all([stage.start("dev"), stage.start("prod")]);
    await create(dev, "lab", '--about "the login"');
  });
  afterEach(() => writeFile(configPath(), "{}"));

  test("joins a network with one answer, and remembers it for this folder", async () => {
    const { dialogs, text } = await setup(prod, ["Join lab"]);
    expect(dialogs).toHaveLength(1);
    expect(dialogs[0]).toMatchObject({
      title: `pilink: networks on ${stage.url()}`,
      options: ["Join lab (host dev, 1 agent)", "Create a network", "Another broker…", 'Another name than "prod"…'],
    });
    expect(text).toContain('Joined the network "lab" as "prod"');
    expect(await remembered(prod)).toEqual({ network: "lab" });
    expect((await stat(configPath())).mode & 0o777).toBe(0o600);
    expect(existsSync(joinPath(prod.cwd, ".pilink.json"))).toBe(false);
    const third = await stage.start("third");
    const again = await setup(third, [null]);
    expect(again.dialogs[0]?.options?.[0]).toBe("Join lab (host dev, 2 agents)");
  });

  test("creates a network with two answers, and asks again until the name fits", async () => {
    const { dialogs, text } = await setup(prod, ["Create", "la/b", "lab", ""]);
    expect(dialogs.map(({ title }) => title)).toEqual([
      expect.stringContaining("networks on"),
      'Name of the new network (Enter for "prod")',
      expect.stringMatching(/^"la\/b" is no network name: .*\nName of the new network/s),
      expect.stringMatching(/^The network "lab" is there already; its host is "dev"\.\nName of the new network/),
    ]);
    expect(text).toContain('Created the network "prod"');
    expect(await remembered(prod)).toEqual({ network: "prod" });
  });

  test("takes another name, and offers it the next time, without insisting on it", async () => {
    const { text } = await setup(prod, ["Another name", "_x", "Build Server", "Join lab"]);
    expect(text).toContain('as "build-server"');
    expect(await remembered(prod)).toEqual({ network: "lab", name: "build-server" });
    // The same folder, and a second Pi in it.
    const twin = await stage.start("twin", { cwd: prod.cwd });
    const again = await setup(twin, ["Join lab"]);
    expect(again.dialogs[0]?.options).toContain('Another name than "build-server"…');
    expect(again.text).toContain('as "build-server-2"');
  });

  test("offers the network first that was used here last", async () => {
    const other = await stage.start("other");
    await create(other, "aaa");
    await setup(prod, ["Join lab"]);
    await type(prod, "/pilink leave", "has left");
    const { dialogs } = await setup(prod, ["Create", null]);
    expect(dialogs[0]?.options?.slice(0, 2)).toEqual([
      "Join lab (host dev, 1 agent)",
      "Join aaa (host other, 1 agent)",
    ]);
    expect(dialogs[1]?.title).toContain('Enter for "lab-2"');
  });

  test("shows that a host is not reachable", async () => {
    dev.signal("SIGSTOP");
    const { dialogs } = await setup(prod, [null]);
    dev.signal("SIGCONT");
    expect(dialogs[0]?.options?.[0]).toBe("Join lab (host dev not reachable)");
  });

  test("shows no network whose host is dead", async () => {
    await dev.kill("SIGKILL");
    await eventually(async () => expect((await setup(prod, [null])).dialogs[0]?.options?.[0]).toBe("Create a network"));
  });

  test("leaves the network of before only when another one was chosen, and asks whom that cuts off", async () => {
    await join(prod, "lab");
    await dev.nextNotification('"prod" joined');
    const looked = await setup(dev, ["Create", null]);
    expect(looked.text).toBe("Nothing was changed.");
    expect(looked.dialogs[0]).toMatchObject({
      title: `pilink: networks on ${stage.url()}; this agent is in "lab"`,
      options: expect.not.arrayContaining([expect.stringContaining("Join lab")]),
    });
    expect((await setup(dev, ["Create", "next", false])).text).toBe('Still in the network "lab".');
    expect((await type(dev, "/pilink status", "Network")).message).toContain('Network "lab": active');
    const { dialogs, text } = await setup(dev, ["Create", "next", true]);
    expect(dialogs.at(-1)?.title).toContain("Leaving ends it for prod");
    expect(text).toContain('Created the network "next"');
  });

  test("finds the networks of another broker, and remembers its address without the account in it", async () => {
    const { port } = new URL(stage.url());
    const env = { PILINK_URL: "" };
    const guest = await stage.start("guest", { env });
    const { dialogs, text } = await setup(guest, [
      "Another broker",
      "LAN",
      "",
      `mqtt://me:secret@127.0.0.1:${port}`,
      "Join lab",
    ]);
    expect(dialogs.map(({ title }) => title)).toEqual([
      "pilink: networks on this machine",
      "Which broker?",
      expect.stringContaining("Only for trusted networks"),
      expect.stringMatching(/^Nothing was typed\./),
      `Broker now: ${stage.url()}.\npilink: networks on ${stage.url()}`,
    ]);
    expect(text).toContain('Joined the network "lab"');
    expect(await remembered(guest)).toEqual({ network: "lab", url: stage.url() });
    expect(await readFile(configPath(), "utf8")).not.toContain("secret");
    await guest.stop();
    const next = await stage.start("guest", { env });
    expect((await setup(next, [null])).dialogs[0]?.title).toBe(`pilink: networks on ${stage.url()}`);
    const home = await setup(next, ["Another broker", "Local", "Join lab"]);
    expect(home.dialogs[2]?.title).toBe("Broker now: pilink's own on this machine.\npilink: networks on this machine");
    expect(await remembered(next)).toEqual({ network: "lab", url: "local" });
    expect(await brokerPid(stage)).toBeGreaterThan(0);
  });

  test("says why a broker cannot be used, and goes on from there", async () => {
    const { dialogs, text } = await setup(prod, [
      "Another broker",
      "Remote",
      "mqtt://broker.invalid",
      true,
      "Try again",
      "Another broker",
      "LAN",
      stage.url(),
      "Join lab",
    ]);
    expect(dialogs[3]).toMatchObject({
      method: "select",
      title: expect.stringMatching(/^Use broker\.invalid without encryption\?\n.*public address without TLS/),
      options: ["No, do not use it", "Yes, use it all the same"],
    });
    for (const dialog of [dialogs[4], dialogs[5]]) {
      expect(dialog?.title).toMatch(/broker\.invalid[\s\S]*\npilink: networks on mqtt:\/\/broker\.invalid$/);
      expect(dialog?.options).toEqual(["Try again", "Another broker…", 'Another name than "prod"…']);
    }
    expect(text).toContain('Joined the network "lab"');
  });

  test("offers the aliases of brokers, and tells of a broken configuration", async () => {
    await mkdir(stage.broker().home, { recursive: true });
    await writeFile(configPath(), JSON.stringify({ urls: { office: stage.url() } }));
    const guest = await stage.start("guest", { env: { PILINK_URL: "mqtt://broker.invalid" } });
    const { dialogs, text } = await setup(guest, ["Another broker", "office", "Join lab"]);
    expect(dialogs[1]?.options?.[0]).toBe(`office (${stage.url()})`);
    expect(text).toContain('Joined the network "lab"');
    await writeFile(configPath(), "{ broken");
    expect((await setup(prod, [])).text).toMatch(/config\.json is no JSON.*Mend or remove it/);
    expect(await readFile(configPath(), "utf8")).toBe("{ broken");
  });
});
