import { execFile } from "node:child_process";
import { mkdir, writeFile } from "node:fs/promises";
import { createServer as createHttpServer } from "node:http";
import { createServer, type Server } from "node:net";
import { join as joinPath } from "node:path";
import { promisify } from "node:util";
import { afterEach, beforeAll, describe, expect, test } from "vitest";
import { cleanText } from "../../protocol/clean.ts";
import { mosquittoInstalled, startMosquitto } from "../support/brokers.ts";
import { onCleanup } from "../support/cleanup.ts";
import { freePort, listen } from "../support/network.ts";
import type { PiProcess } from "../support/pi-process.ts";
import { toolResults } from "../support/scripted-model.ts";
import { create, exchange, injected, send, type, useStage } from "./stage.ts";

const stage = useStage();
let pis: { dev: PiProcess; prod: PiProcess; lone: PiProcess } | undefined;
const cast = () => pis ?? expect.fail("there are no Pis");

beforeAll(async () => {
  const [pair, lone] = await Promise.all([
    stage.pair("lab", { forAll: true, keepSessions: true }),
    stage.start("lone", { forAll: true }),
  ]);
  pis = { ...pair, lone };
});

// Whatever was typed: everybody lives, and messages pass.
afterEach(async () => {
  await exchange(cast().dev, cast().prod);
  await cast().lone.state();
});

/** Types a line that cannot work, and gives the error. */
async function fail(pi: PiProcess, line: string, expected: RegExp): Promise<string> {
  const since = pi.mark();
  await pi.prompt(line);
  const notice = await pi.nextNotification(/[\s\S]/, { since });
  expect(notice.message, line.slice(0, 200)).toMatch(expected);
  expect(notice.type, notice.message).toBe("error");
  expect(cleanText(notice.message)).toBe(notice.message);
  return notice.message;
}

function titleOf(line: string): string {
  return JSON.stringify(line.slice(0, 60));
}

describe("what a person types wrong", () => {
  const tooLong = "x".repeat(65);
  for (const [line, expected] of [
    ["/pilink creat lab", /"creat".*create/],
    ["/pilink frobnicate", /"frobnicate".*create.*help/s],
    ["/pilink help frobnicate", /"frobnicate"/],
    ["/pilink create", /\/pilink create <network>/],
    ["/pilink create my lab", /"lab".*quot/],
    ["/pilink create _lab", /"_lab".*_/],
    ["/pilink create la/b", /"la\/b".*a-z.*"la-b"/],
    ["/pilink create lab+#", /"lab\+#"/],
    ["/pilink create \u0007\u001b[31m", /name/],
    [`/pilink create ${tooLong}`, /x{20}.*64/],
    ["/pilink create x --name _all", /"_all"/],
    ["/pilink create x --name p/q", /"p\/q"/],
    ["/pilink create x --name", /--name/],
    ["/pilink create x --port 1", /--port/],
    ["/pilink create x --name 'open", /not closed/],
    ["/pilink create x --url http://127.0.0.1:1", /http.*mqtt/],
    ["/pilink create x --url mqtt://", /mqtt:\/\//],
    ["/pilink create x --url mqtt://user:secret@127.0.0.1:99999", /99999/],
    [`/pilink create x --role ${"r".repeat(201)}`, /role.*200/s],
    ["/pilink join", /\/pilink join <network>/],
    ["/pilink join nowhere", /"nowhere".*\/pilink create nowhere/s],
    ["/pilink leave", /in no network/],
    ["/pilink send dev hello", /in no network/],
    ["/pilink agents", /in no network/],
    ["/pilink go", /in no network/],
    ["/pilink inbox", /in no network/],
    ["/pilink sent", /in no network/],
    ["/pilink reply yes", /in no network/],
    ["/pilink confirm", /in no network/],
    ["/pilink delivery", /in no network/],
    ["/pilink delivery hold prod", /in no network/],
    ["/pilink server", /start\|stop\|status/],
    ["/pilink server restart", /"restart".*start\|stop\|status/s],
  ] as const) {
    test(`outside of a network: ${titleOf(line)} [ERR-1]`, async () => {
      expect(await fail(cast().lone, line, expected)).not.toContain("secret");
    });
  }

  for (const [line, expected] of [
    ["/pilink send prod to myself", /prod.*(itself|yourself|own|this agent)/],
    ["/pilink send nobody hello", /^Message in the network "lab" to nobody: refused\. .*"nobody"/],
    ["/pilink send UP/DOWN hello", /UP\/DOWN/],
    ["/pilink send _all hello", /_all/],
    [`/pilink send dev ${"x".repeat(2 ** 20 + 1)}`, /1,?048,?577.*1,?048,?576|1 MiB/],
    ["/pilink inbox one two", /"two" is too much/],
    ["/pilink sent everything", /"everything".*\/pilink sent \[all\]/s],
    ["/pilink go nothing-like-it", /"nothing-like-it"/],
    ["/pilink create lab", /in the network "lab" already, as "prod".*\/pilink leave/],
    ["/pilink join lab --name other", /in the network "lab" already, as "prod".*\/pilink leave/],
  ] as const) {
    test(`inside of one: ${titleOf(line)} [ERR-1]`, async () => {
      await fail(cast().prod, line, expected);
    });
  }

  test("a list with one unknown name reaches the others", async () => {
    const { dev, prod } = cast();
    const notice = await type(dev, "/pilink send prod,nobody half of it", "nobody");
    expect(notice.type).toBe("warning");
    expect(notice.message).toMatch(/prod: (received|injected) \(id .*nobody: refused\. .*"nobody"/s);
    await injected(prod, "half of it");
  });

  test("1 MiB is no fault", async () => {
    const { dev, prod } = cast();
    const body = `${"y".repeat(2 ** 20 - 4)} end`;
    await send(dev, "prod", body);
    await injected(prod, body);
  });
});

test("what a model calls wrong is an error that it can act on", async () => {
  const { dev } = cast();
  const calls = [
    { to: "nobody", body: "hello" },
    { to: "dev", body: "to myself" },
    { to: "prod", body: "z".repeat(2 ** 20 + 1) },
    { to: [" "], body: "to nobody at all" },
    { to: "prod", body: "an answer to nothing", re: "no such id!" },
  ];
  let next = 0;
  stage.model().script("dev", (request) => {
    if (toolResults(request).length < calls.length) {
      const call = calls[next];
      next += 1;
      if (call !== undefined) return { toolCalls: [{ name: "pilink_send", arguments: call }] };
    }
    return { text: "I give up" };
  });
  const results = toolResults(await stage.ask(dev, "send to everybody"));
  stage.model().script("dev", () => ({ text: "ok" }));
  expect(results).toHaveLength(calls.length);
  expect(results[0]).toMatch(/"nobody".*"lab"/s);
  expect(results[1]).toMatch(/dev.*(itself|yourself|own)/);
  expect(results[2]).toMatch(/1,?048,?577|1 MiB/);
  expect(results[3]).toMatch(/whom|receiver|name/i);
  expect(results[4]).toMatch(/no such id!/);
});

describe("a configuration that cannot be used", () => {
  test("names the file, what is wrong and the way out", async () => {
    const { lone } = cast();
    const homeFile = joinPath(stage.broker().home, "config.json");
    const folderFile = joinPath(lone.cwd, ".pilink.json");
    await mkdir(stage.broker().home, { recursive: true });
    for (const [path, text, expected] of [
      [homeFile, "{ nothing", /config\.json.*JSON.*Mend or remove/s],
      [homeFile, '{"keepaliveMs":"soon"}', /config\.json.*keepaliveMs/s],
      [folderFile, '{"nmae":"dev"}', /\.pilink\.json.*nmae.*Known keys:.*name/s],
      [folderFile, '{"url":"http://example.org"}', /http/],
    ] as const) {
      await writeFile(path, text);
      const message = await fail(lone, "/pilink create x", expected);
      if (!message.includes("http")) expect(message).toContain(path);
      await writeFile(path, "{}");
    }
  });
});

/** A server on a free port that the test ends. */
async function serve(server: Server): Promise<number> {
  const port = await listen(server);
  onCleanup(() => {
    server.close();
  });
  return port;
}

function connackServer(returnCode: number): Server {
  return createServer((socket) => {
    socket.on("error", () => undefined);
    socket.once("data", () => socket.end(Buffer.from([0x20, 2, 0, returnCode])));
  });
}

describe("a broker that cannot be used", () => {
  test.each([
    [1, /refuses MQTT 3\.1\.1.*another broker/s],
    [3, /refused the connection.*again later/s],
    [4, /user name or password.*PILINK_USERNAME and PILINK_PASSWORD/s],
    [5, /user name or password.*PILINK_USERNAME and PILINK_PASSWORD/s],
  ])("refuses with CONNACK %i [MQTT-6]", async (code, expected) => {
    const port = await serve(connackServer(code));
    const message = await fail(cast().lone, `/pilink create x --url mqtt://me:secret@127.0.0.1:${port}`, expected);
    expect(message).toContain(`127.0.0.1:${port}`);
    expect(message).not.toContain("secret");
  });

  test("is not reached", async () => {
    const { lone } = cast();
    const port = await freePort();
    await fail(
      lone,
      `/pilink join x --url mqtts://127.0.0.1:${port}`,
      new RegExp(`127\\.0\\.0\\.1:${port}.*Check`, "s"),
    );
    await fail(lone, "/pilink join x --url mqtt://broker.invalid", /broker\.invalid.*Check/s);
  });

  test("is no broker but a web server, or silent", async () => {
    const { lone } = cast();
    const web = await serve(createHttpServer((_request, response) => response.end("hello")));
    await fail(
      lone,
      `/pilink create x --url mqtt://127.0.0.1:${web}`,
      new RegExp(`127\\.0\\.0\\.1:${web} .*MQTT.*--url`, "s"),
    );
    const silent = await serve(createServer((socket) => socket.on("error", () => undefined)));
    await fail(
      lone,
      `/pilink create x --url mqtt://127.0.0.1:${silent}`,
      new RegExp(`127\\.0\\.0\\.1:${silent} .*silent.*--url`, "s"),
    );
  });

  const installed = mosquittoInstalled();
  const title = `refuses the password${installed ? "" : " (skipped: Mosquitto is not installed)"} [MQTT-6] [ERR-3]`;
  if (!installed) process.stderr.write(`${title}\n`);
  test.skipIf(!installed && process.env.PILINK_REQUIRE_BROKERS !== "1")(title, async () => {
    const { lone } = cast();
    const passwords = joinPath(stage.home().path, "passwords");
    await writeFile(passwords, "team:sesame-7301\n", { mode: 0o600 });
    await promisify(execFile)("mosquitto_passwd", ["-U", passwords]);
    const { port } = await startMosquitto({ config: `allow_anonymous false\npassword_file ${passwords}` });
    const expected = /refused the user name or password.*PILINK_USERNAME/s;
    await fail(lone, `/pilink create x --url mqtt://127.0.0.1:${port}`, expected);
    const message = await fail(lone, `/pilink create x --url mqtt://team:hunter2@127.0.0.1:${port}`, expected);
    expect(message).not.toContain("hunter2");
    const created = await create(lone, "x", `--url mqtt://team:sesame-7301@127.0.0.1:${port}`);
    expect(created.message).not.toContain("sesame");
    expect((await type(lone, "/pilink status", "Broker")).message).not.toContain("sesame");
    await type(lone, "/pilink leave", "left");
  });
});
