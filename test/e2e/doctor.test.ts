import { execFile } from "node:child_process";
import { chmod, copyFile, cp, mkdir, readdir, readFile, symlink, writeFile } from "node:fs/promises";
import { dirname, join as joinPath } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { describe, expect, test } from "vitest";
import { mosquittoInstalled, startMosquitto } from "../support/brokers.ts";
import { eventually } from "../support/eventually.ts";
import { freePort } from "../support/network.ts";
import { ownExtension } from "../support/pi-home.ts";
import type { PiProcess } from "../support/pi-process.ts";
import type { PiNotification } from "../support/pi-records.ts";
import { rawMqtt } from "../support/raw-mqtt.ts";
import { brokerPid, create, join, type, useStage } from "./stage.ts";

const stage = useStage();

// The promise is 10 s; a loaded machine may add to what the doctor itself counts.
const limitMs = 13_000;

/** Runs the doctor and gives its report. */
async function examine(pi: PiProcess, command = "/pilink"): Promise<PiNotification> {
  const since = pi.mark();
  const startedMs = performance.now();
  await pi.prompt(`${command} doctor`);
  expect(performance.now() - startedMs, "ms that the doctor took").toBeLessThan(limitMs);
  return pi.nextNotification("pilink doctor: ", { since });
}

/** The lines about one thing, each with its verdict and the way out that belongs to it. */
function linesOf({ message }: PiNotification, name: string): string[] {
  return message
    .replace(/\n\s+→ /g, " → ")
    .split("\n")
    .filter((line) => line.slice(8).startsWith(`${name}: `));
}

function lineOf(report: PiNotification, name: string): string {
  const [line, ...more] = linesOf(report, name);
  expect(more, report.message).toEqual([]);
  return line ?? expect.fail(`no line "${name}" in ${report.message}`);
}

/** Whatever is not as it should be comes with a way out. */
function expectWaysOut({ message }: PiNotification): void {
  const lines = message.split("\n");
  for (const [index, line] of lines.entries()) {
    if (/^(failed|warning)/.test(line)) expect(lines[index + 1], line).toMatch(/^ {8}→ \S/);
  }
}

/** Everything below a folder but what Node caches of the broker's code when it finds the time. */
async function filesOf(folder: string): Promise<string[]> {
  const names = await readdir(folder, { recursive: true });
  return names.filter((name) => !/^broker.compiled/.test(name)).sort();
}

describe("/pilink doctor", () => {
  test("where nothing is set up says what would happen, and makes nothing", async () => {
    const home = joinPath(stage.home().path, "none", "pilink");
    const pi = await stage.start("lone", { env: { PILINK_URL: "", PILINK_HOME: home } });
    const report = await examine(pi);
    expect(report.type, report.message).toBe("info");
    expect(report.message).toMatch(/^pilink doctor: \d+ ok\n/);
    expect(lineOf(report, "config")).toContain("the defaults hold");
    expect(lineOf(report, "broker")).toContain("no broker runs; /pilink create starts one");
    expect(lineOf(report, "credentials")).toContain("not set");
    expect(lineOf(report, "inbox")).toContain(`${home} will be made in ${stage.home().path}`);
    expect(lineOf(report, "versions")).toContain(`Node ${process.versions.node}`);
    expect(lineOf(report, "copies")).toContain("once");
    await expect(readdir(home)).rejects.toThrow("ENOENT");
    expect((await stage.home().processes()).map(({ pid }) => pid)).toEqual([pi.pid]);
    await type(pi, "/pilink doctor now", '"now" is too much');
  });

  test("in a network finds all in order with the host and with a member, and changes nothing", async () => {
    const { dev, prod } = await stage.pair("lab");
    const watcher = await rawMqtt(stage.url());
    await watcher.subscribe("pilink/+/+/presence");
    const before = await filesOf(stage.broker().home);
    for (const pi of [dev, prod]) {
      const report = await examine(pi);
      expect(report.message).not.toMatch(/^(warning|failed)/m);
      expect(report.type).toBe("info");
      expect(lineOf(report, "broker")).toMatch(
        new RegExp(`${stage.url()} answers \\(managed, pid ${await brokerPid(stage)}, version \\d`),
      );
      expect(lineOf(report, "credentials")).toContain("not set, and not needed");
      expect(lineOf(report, "probe")).toContain("comes back, and retained records come");
      expect(lineOf(report, "host")).toContain(
        pi === dev ? "this agent is the host" : '"dev" of the network "lab" answers',
      );
      expect(lineOf(report, "presence")).toContain("on the broker");
      expect(lineOf(report, "inbox")).toMatch(new RegExp(`lab@127\\.0\\.0\\.1-\\d+/${pi.name} can be written`));
      if (pi === prod) expect(lineOf(report, "clock")).toMatch(/by \d+ ms/);
      expect(lineOf(report, "rejected")).toContain("no payload");
    }
    expect(await filesOf(stage.broker().home)).toEqual(before);
    expect(watcher.received.filter(({ retained }) => !retained)).toEqual([]);

    // Beside them, who is in no network hears of it, and that its own topics work.
    const lone = await stage.start("lone");
    // On a machine that is loaded the records may come later than anybody waits for them.
    await eventually(
      async () =>
        expect(lineOf(await examine(lone), "host")).toMatch(/no network; there is lab \(host dev\); \/pilink join lab/),
      { timeoutMs: 12_000 },
    );
    const invited = await stage.start("invited", { env: { PILINK_NETWORK: "lab" } });
    const invitation = await examine(invited);
    expect(lineOf(invitation, "host")).toContain('"dev" of the network "lab" answers');
    expect(lineOf(invitation, "presence")).toContain("pilink/lab/invited/presence may be published");
    expect(watcher.received.filter(({ topic, retained }) => retained && topic.includes("invited"))).toEqual([]);
    expect((await type(dev, "/pilink agents", "2 agents")).type).toBe("info");
  });

  test("counts what was rejected, with its meaning", async () => {
    const dev = await stage.start("dev");
    await create(dev, "lab");
    const stranger = await rawMqtt(stage.url());
    await stranger.publish("pilink/lab/dev/inbox", '{"v":7,"body":"from the future"}');
    await stranger.publish("pilink/lab/dev/control", "no JSON");
    await eventually(async () =>
      expect((await type(dev, "/pilink status", "Network")).message).toMatch(/1 × bad-payload/),
    );
    const report = await examine(dev);
    expect(report.type).toBe("warning");
    expect(lineOf(report, "rejected")).toMatch(
      /^warning .*1 × unknown-version \(.*1 × bad-payload \(.*→ .*mosquitto_sub/,
    );
    expectWaysOut(report);
  });

  test("of a host that is frozen says so", async () => {
    const { dev, prod } = await stage.pair("lab");
    dev.signal("SIGSTOP");
    const report = await examine(prod);
    dev.signal("SIGCONT");
    expect(report.type).toBe("error");
    expect(lineOf(report, "host")).toMatch(/^failed .*"dev" of the network "lab" does not answer → It may be frozen/);
    expect(lineOf(report, "broker")).toMatch(/^ok/);
    expectWaysOut(report);
    await prod.waitForStatus("pilink", (text) => text?.includes("2 agents") ?? false);
  });

  test("of a broker that is frozen says so, in time", async () => {
    const dev = await stage.start("dev");
    await create(dev, "lab");
    const pid = await brokerPid(stage);
    process.kill(pid, "SIGSTOP");
    try {
      const report = await examine(dev);
      expect(report.type).toBe("error");
      expect(lineOf(report, "broker")).toMatch(new RegExp(`^failed .*pid ${pid}.* → .*/pilink server stop`));
      expectWaysOut(report);
    } finally {
      process.kill(pid, "SIGCONT");
    }
  });

  test("after the end of the network says what to do", async () => {
    const { dev, prod } = await stage.pair("lab");
    await dev.kill();
    await prod.nextNotification("This network is no longer available.");
    const report = await examine(prod);
    expect(linesOf(report, "host")[0]).toMatch(/^warning .*"lab" that this agent was in has ended → .*\/pilink setup/);
    expectWaysOut(report);
  });

  test("of a broker that is not there says so, and starts none", async () => {
    const port = await freePort();
    const far = await stage.start("far", { env: { PILINK_URL: `mqtts://127.0.0.1:${port}` } });
    const report = await examine(far);
    expect(report.type).toBe("error");
    expect(lineOf(report, "broker")).toMatch(new RegExp(`^failed .*127\\.0\\.0\\.1:${port}.* → .*Check the address`));
    expect(lineOf(report, "credentials")).toMatch(/^ok .*not set; not tried/);
    expectWaysOut(report);

    const near = await stage.start("near", { env: { PILINK_URL: `mqtt://127.0.0.1:${port}` } });
    const would = await examine(near);
    expect(would.type).toBe("info");
    expect(lineOf(would, "broker")).toContain(`nothing listens at mqtt://127.0.0.1:${port}; /pilink create starts`);
    await type(near, "/pilink server status", "No managed broker");
  });

  test("of broken configuration files names them, and what cannot be looked at then", async () => {
    const pi = await stage.start("broken");
    const path = joinPath(pi.cwd, ".pilink.json");
    for (const [text, expected] of [
      ['{"password": "geheim', /is no JSON: it goes wrong in line 1/],
      ['{"password": 42, "name": "x"}', /"password" does not fit/],
      ['{"nmae": "x"}', /nmae.* → .*Known keys: .*name/],
      ['{"name": "a/b"}', /"a\/b"/],
    ] as const) {
      await writeFile(path, text);
      const report = await examine(pi);
      expect(report.type).toBe("error");
      expect(report.message.replace(/\n\s+→ /g, " → ")).toMatch(expected);
      expect(report.message).not.toContain("geheim");
      expectWaysOut(report);
      expect(lineOf(report, "versions")).toMatch(/^ok/);
    }
    await writeFile(path, '{"delivery": "turn"}');
    const untrusted = await examine(pi);
    expect(linesOf(untrusted, "config").at(-1)).toMatch(/^warning .*"turn"; that was ignored.* → .*\/trust/);
    await writeFile(path, "{}");
    expect((await examine(pi)).type).toBe("info");
  });

  test("of an inbox that cannot be written names the folder and the way out", async () => {
    const file = joinPath(stage.home().path, "a-file");
    await writeFile(file, "");
    const pi = await stage.start("stuck", { env: { PILINK_URL: "", PILINK_HOME: joinPath(file, "pilink") } });
    const report = await examine(pi);
    expect(report.type).toBe("error");
    const lines = ["inbox", "broker", "config"].flatMap((name) => linesOf(report, name));
    expect(lines.join("\n")).toMatch(/failed {2}inbox: .*a-file.* → .*PILINK_HOME/);
    expectWaysOut(report);

    const dev = await stage.start("dev");
    await create(dev, "lab");
    const inbox = joinPath(stage.broker().home, "networks", `lab@127.0.0.1-${new URL(stage.url()).port}`, "dev");
    expect(await readdir(inbox)).toContain("inbox.jsonl");
    const other = await stage.start("other", { env: { PILINK_NETWORK: "lab", PILINK_NAME: "qa" } });
    await mkdir(joinPath(dirname(inbox), "qa", "inbox.jsonl"), { recursive: true });
    expect(lineOf(await examine(other), "inbox")).toMatch(/^failed .*qa.* → .*PILINK_HOME/);
  });

  test("names the copies of the extension that do nothing, also after /new", async () => {
    const copy = joinPath(stage.home().path, "copy");
    await mkdir(copy);
    const root = dirname(dirname(ownExtension));
    await cp(joinPath(root, "extension"), joinPath(copy, "extension"), { recursive: true });
    for (const name of ["broker", "peer", "protocol", "store", "node_modules", "package.json"]) {
      await symlink(joinPath(root, name), joinPath(copy, name));
    }
    const second = joinPath(copy, "extension", "index.ts");
    const pi = await stage.start("twice", { extensions: [ownExtension, second] });
    await pi.nextNotification("pilink is loaded twice");
    for (let round = 0; round < 2; round += 1) {
      const report = await examine(pi);
      expect(report.type).toBe("warning");
      expect(lineOf(report, "copies")).toMatch(/^warning .*loaded 2 times/);
      expect(lineOf(report, "copies")).toContain(second);
      expectWaysOut(report);
      await pi.newSession();
    }
  });

  test("says under which name its own command is where another extension has the usual one", async () => {
    const other = joinPath(dirname(ownExtension), "..", "test", "extension", "other-extension.ts");
    const pi = await stage.start("renamed", { extensions: [other, ownExtension] });
    const report = await examine(pi, "/pilink-mqtt");
    expect(lineOf(report, "command")).toMatch(/^warning .*\/pilink-mqtt → Remove/);
    expect(lineOf(report, "broker")).toMatch(/\/pilink-mqtt create|answers/);
    expect(report.message).not.toMatch(/(?<![\w-])\/pilink\s/);
  });
});

const installed = mosquittoInstalled();
const title = `of an external broker${installed ? "" : " (skipped: Mosquitto is not installed)"}`;
if (!installed) process.stderr.write(`${title}\n`);
describe.skipIf(!installed && process.env.PILINK_REQUIRE_BROKERS !== "1")(title, () => {
  test("tells its version, and whether it takes the account, never the password [ERR-3]", async () => {
    const passwords = joinPath(stage.home().path, "passwords");
    await writeFile(passwords, "team:sesame-7301\n", { mode: 0o600 });
    await promisify(execFile)("mosquitto_passwd", ["-U", passwords]);
    const { port } = await startMosquitto({ config: `allow_anonymous false\npassword_file ${passwords}` });
    const url = `mqtt://127.0.0.1:${port}`;
    const [none, wrong, right] = await Promise.all([
      stage.start("none", { env: { PILINK_URL: url } }),
      stage.start("wrong", { env: { PILINK_URL: url, PILINK_USERNAME: "team", PILINK_PASSWORD: "hunter2-91" } }),
      stage.start("right", { env: { PILINK_URL: `mqtt://team:sesame-7301@127.0.0.1:${port}` } }),
    ]);
    const without = await examine(none);
    expect(lineOf(without, "credentials")).toMatch(/^failed .*not set, but the broker wants .* → .*PILINK_USERNAME/);
    const refused = await examine(wrong);
    expect(refused.type).toBe("error");
    expect(lineOf(refused, "credentials")).toMatch(/^failed .*the broker refuses them → .*PILINK_PASSWORD/);
    const accepted = await examine(right);
    expect(accepted.type, accepted.message).toBe("info");
    expect(lineOf(accepted, "credentials")).toContain("set, and accepted");
    expect(lineOf(accepted, "broker")).toMatch(/external, mosquitto version \d/);
    await create(right, "lab");
    const joined = await examine(right);
    expect(joined.type, joined.message).toBe("info");
    for (const pi of [none, wrong, right]) {
      expectWaysOut(await examine(pi));
      expect(JSON.stringify(pi.records)).not.toMatch(/hunter2|sesame/);
    }
    await type(right, "/pilink leave", "left");
  });

  test("is content with the strictest access rules, under which a peer has only its own topics [ACL-1]", async () => {
    const acl = fileURLToPath(new URL("../../broker/mosquitto/access/peer/access.acl", import.meta.url));
    const rules = joinPath(stage.home().path, "access.acl");
    const passwords = joinPath(stage.home().path, "peers");
    await copyFile(acl, rules);
    await chmod(rules, 0o600);
    await writeFile(passwords, "dev:sesame-1\nprod:sesame-2\n", { mode: 0o600 });
    await promisify(execFile)("mosquitto_passwd", ["-U", passwords]);
    const { port } = await startMosquitto({
      config: `allow_anonymous false\npassword_file ${passwords}\nacl_file ${rules}`,
    });
    const start = (name: string, account: string, env = {}) =>
      stage.start(name, { env: { PILINK_URL: `mqtt://${account}@127.0.0.1:${port}`, ...env } });
    const [dev, prod] = await Promise.all([
      start("dev", "dev:sesame-1"),
      start("prod", "prod:sesame-2", { PILINK_NETWORK: "lab" }),
    ]);
    await create(dev, "lab");
    // Before the join, and after it.
    const before = await examine(prod);
    expect(before.message).not.toMatch(/^(warning|failed)/m);
    expect(lineOf(before, "presence")).toContain("pilink/lab/prod/presence may be published");
    await join(prod, "lab");
    for (const pi of [dev, prod]) {
      const report = await examine(pi);
      expect(report.message).not.toMatch(/^(warning|failed)/m);
      expect(lineOf(report, "broker")).toContain("not told");
    }
    const stranger = await start("qa", "prod:sesame-2", { PILINK_NETWORK: "lab" });
    expect(lineOf(await examine(stranger), "probe")).toMatch(/^failed .*pilink\/lab\/qa\/control .* → .*PILINK_NAME/);
    await type(prod, "/pilink leave", "left");
    await type(dev, "/pilink leave", "left");
  });

  test("finds that an account may not use the own topics", async () => {
    const folder = stage.home().path;
    const acl = joinPath(folder, "acl");
    await writeFile(acl, "topic read $SYS/#\ntopic readwrite pilink/other/#\n", { mode: 0o600 });
    const { url } = await startMosquitto({ config: `acl_file ${acl}` });
    const pi = await stage.start("poor", { env: { PILINK_URL: url, PILINK_NETWORK: "lab" } });
    const report = await examine(pi);
    expect(report.type).toBe("error");
    expect(lineOf(report, "probe")).toMatch(/^failed .*pilink\/lab\/poor\/control .* → .*access rules/);
    expectWaysOut(report);
    expect(await readFile(acl, "utf8")).toContain("pilink/other");
  });
});
