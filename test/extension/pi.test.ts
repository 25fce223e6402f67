import { cp, mkdir, symlink } from "node:fs/promises";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { stopBroker } from "../../broker/managed.ts";
import { stopEverything } from "../support/cleanup.ts";
import { freePort } from "../support/network.ts";
import { ownExtension, type PiOptions, stateFolderOf } from "../support/pi-home.ts";
import { type PiProcess, startPi } from "../support/pi-process.ts";
import { allText, type ScriptedModel, startScriptedModel } from "../support/scripted-model.ts";
import { temporaryHome } from "../support/temporary-home.ts";

const otherExtension = fileURLToPath(new URL("other-extension.ts", import.meta.url));

let home: string;
let url: string;
let model: ScriptedModel;

beforeEach(async () => {
  home = (await temporaryHome()).path;
  url = `mqtt://127.0.0.1:${await freePort()}`;
  model = await startScriptedModel();
});
afterEach(async () => {
  await stopBroker({ home: stateFolderOf(home), url });
  await stopEverything();
});

function start(name: string, options: Partial<PiOptions> = {}): Promise<PiProcess> {
  const env = { PILINK_URL: url, ...options.env };
  return startPi({ home, name, model, modelId: name, ...options, env });
}

async function type(pi: PiProcess, line: string, expected: string | RegExp) {
  const since = pi.mark();
  await pi.prompt(line);
  return pi.nextNotification(expected, { since });
}

/** What is wrong with the setup of a Pi shows up as an error of the extension. */
function expectNoFault(pi: PiProcess): void {
  expect(pi.records.filter((record) => record.type === "extension_error")).toEqual([]);
  expect(pi.stderr()).toBe("");
}

describe("the extension in a real Pi", () => {
  it("is silent at the start, opens nothing, and says of every wrong line what is wrong with it", async () => {
    const pi = await start("dev");
    expect(pi.notifications).toEqual([]);
    const wrong: [string, RegExp][] = [
      ["stauts", /"stauts".*Did you mean \/pilink status\?.*create, join/],
      ["help crate", /Did you mean \/pilink create/],
      ["join", /Which network\? Usage: \/pilink join/],
      ["create a b", /"b" is too much.*Usage/],
      ["agents everywhere", /"everywhere" is too much.*Usage/],
      ["server status now", /"now" is too much.*Usage/],
      ["create lab --foo", /--foo.*Usage/],
      ["create 'lab", /not closed/],
      ["create _lab", /"_lab" begins with "_"/],
      ["create a/b", /"a\/b" is no network name.*"a-b"/],
      ["create lab --name all", /"all" means everybody/],
      ["create lab --url http://u:secret@h", /--url: .*http.*mqtt:\/\//],
      ["agents", /in no network.*\/pilink create/],
      ["send dev hello", /in no network/],
      ["go", /in no network/],
      ["leave", /in no network/],
      ["server dance", /"dance".*start\|stop\|status/],
    ];
    for (const [line, message] of wrong) {
      const notice = await type(pi, `/pilink ${line}`, message);
      expect(notice.type, line).toBe("error");
      expect(notice.message).not.toContain("secret");
    }
    await type(pi, "/pilink help", /\/pilink create <network>/);
    expect(pi.statuses.filter(({ text }) => text !== undefined)).toEqual([]);
    expect((await pi.stop()).tookMs).toBeLessThan(1_000);
    expectNoFault(pi);
  });

  it("does nothing in a second copy, which names both and the way out", async () => {
    const copy = join(home, "copy");
    await mkdir(copy);
    const root = dirname(dirname(ownExtension));
    await cp(join(root, "extension"), join(copy, "extension"), { recursive: true });
    for (const name of ["broker", "peer", "protocol", "store", "node_modules", "package.json"]) {
      await symlink(join(root, name), join(copy, name));
    }
    const second = join(copy, "extension", "index.ts");
    const pi = await start("dev", { extensions: [ownExtension, second] });
    const notice = await pi.nextNotification("pilink is loaded twice");
    expect(notice.message).toContain(ownExtension);
    expect(notice.message).toContain(second);
    await type(pi, "/pilink create lab", `Created the network "lab"`);
    await pi.newSession();
    await type(pi, "/pilink status", `Network "lab": active`);
    expect(pi.notifications.filter(({ message }) => message.includes("loaded twice"))).toHaveLength(1);
    expectNoFault(pi);
  });

  it("offers a second command where another extension has a /pilink, and names it", async () => {
    const pi = await start("dev", { extensions: [otherExtension, ownExtension] });
    const notice = await pi.nextNotification("Use /pilink-mqtt");
    expect(notice.message).toContain(otherExtension);
    await type(pi, "/pilink-mqtt create lab", `Created the network "lab"`);
    expectNoFault(pi);
  });

  it("holds messages back while the session is compacted", async () => {
    const [dev, prod] = await Promise.all([start("dev"), start("prod")]);
    await type(dev, "/pilink create lab --name dev", "Created");
    await type(prod, "/pilink join lab --name prod", "Joined");
    for (const text of ["one", "two"]) await prod.promptAndSettle(`${text} ${"x ".repeat(150_000)}`);
    const summary = model.hold("prod");
    const compacted = prod.command({ type: "compact" }, 20_000);
    await summary.request;
    await type(dev, "/pilink send prod while compacting", /prod: received/);
    await type(prod, "/pilink go", /being compacted/);
    expect(JSON.stringify(await prod.messages())).not.toContain("while compacting");
    summary.release({ text: "a summary" });
    await compacted;
    await prod.waitForEvent(({ type: kind, message }) => kind === "message_end" && holds(message, "while compacting"));
    await type(prod, "/pilink go", "given 1 message from dev");
    await model.waitForRequest(
      (request) => request.modelId === "prod" && allText(request).includes("while compacting"),
    );
    expectNoFault(prod);
  }, 40_000);

  it("waits for a host that does not answer without holding up the person, also over /new, and can be told to stop", async () => {
    const env = { PILINK_KEEPALIVE_MS: "1000" };
    const [dev, prod] = await Promise.all([start("dev", { env }), start("prod", { env })]);
    await type(dev, "/pilink create lab --name dev", "Created");
    dev.signal("SIGSTOP");
    await type(prod, "/pilink create lab", /"dev" .*does not answer.*\/pilink leave ends the waiting/);
    await prod.newSession();
    await type(prod, "/pilink status", "still waiting");
    await type(prod, "/pilink leave", "was ended");
    await type(prod, "/pilink status", "in no network. Run");
    dev.signal("SIGCONT");
    const { code, tookMs } = await prod.stop();
    expect(code).toBe(0);
    expect(tookMs).toBeLessThan(1_500);
    expectNoFault(prod);
  }, 40_000);

  it("asks a host before it cuts others off, and changes nothing for a request that cannot work", async () => {
    const [dev, prod] = await Promise.all([start("dev"), start("prod")]);
    await type(dev, "/pilink create lab --name dev", "Created");
    await type(prod, "/pilink join lab --name prod", "Joined");
    await type(dev, "/pilink join _other --yes", "reserved");
    dev.answerDialog(() => false);
    await type(dev, "/pilink create other", `Still in the network "lab"`);
    await type(dev, "/pilink leave", `Still in the network "lab"`);
    expect(dev.dialogs.map(({ title }) => title)).toEqual([
      expect.stringMatching(/"lab".*prod/s),
      expect.stringMatching(/"lab".*prod/s),
    ]);
    await type(dev, "/pilink create other --yes", /Created the network "other"/);
    await prod.nextNotification(/no longer available\. Run \/pilink setup/);
    await prod.waitForStatus("pilink", (text) => text?.includes("closed") === true);
    await type(prod, "/pilink leave", `"lab" had ended`);
    await prod.waitForStatus("pilink", (text) => text === undefined);
    expectNoFault(dev);
    expectNoFault(prod);
  });
});

function holds(message: unknown, text: string): boolean {
  return JSON.stringify(message ?? null).includes(text);
}
