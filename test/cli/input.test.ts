import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { freePort } from "../support/network.ts";
import { useShell } from "./shell.ts";

const shell = useShell();

/** Command lines that cannot be meant, with what each has to be told. */
const wrong: readonly (readonly [string[], RegExp])[] = [
  [["nonsense"], /unknown command 'nonsense'/],
  [["networks", "extra"], /too many arguments/],
  [["networks", "--bogus"], /unknown option '--bogus'/],
  [["networks", "--url", "http://broker"], /is no broker address/],
  [["networks", "--url", "mqtt://user:secret@"], /is no broker address/],
  [["agents"], /Which network\?/],
  [["agents", "a/b"], /is no network name/],
  [["agents", "lab", "extra"], /too many arguments/],
  [["join"], /Which network\?/],
  [["join", "_lab"], /reserved/],
  [["join", "lab", "--name", "all"], /means everybody/],
  [["join", "lab", "--name", "#"], /is no peer name/],
  [["join", "lab", "--name"], /argument missing/],
  [["join", "lab", "--role", "x".repeat(300)], /--role does not fit/],
  [["join", "lab", "--webhook", "ftp://example.org"], /is no http or https URL/],
  [["join", "lab", "--webhook", "nowhere"], /is no http or https URL/],
  [["join", "lab", "--on-message", ""], /--on-message is empty/],
  [["join", "lab", "--notify-dir", "/dev/null/notices"], /cannot be made/],
  [["leave", "extra"], /too many arguments/],
  [["leave", "--as", "a+b"], /is no peer name/],
  [["send"], /missing required argument 'to'/],
  [["send", "dev"], /There is no text to send/],
  [["send", "dev", " "], /There is no text to send/],
  [["send", ",", "text"], /To whom\?/],
  [["send", "all,dev", "text"], /name it alone/],
  [["send", "dev", "text", "--type", "shout"], /Allowed choices are message, task/],
  [["send", "dev", "text", "--wait", "ever"], /Allowed choices are received, seen, reply/],
  [["send", "dev", "text", "--timeout", "5"], /"5" is no duration/],
  [["send", "dev", "text", "--timeout", "-5s"], /is no duration|argument missing/],
  [["send", "dev", "text", "--timeout", "99999d"], /is no duration/],
  [["send", "dev", "text", "--ttl", "soon"], /"soon" is no duration/],
  [["send", "dev", "text", "--ttl", "0s"], /could never arrive/],
  [["send", "dev", "{", "--json-body"], /is no JSON/],
  [["recv", "--wait", "long"], /"long" is no duration/],
  [["recv", "--limit", "0"], /is no number of 1 or more/],
  [["recv", "--limit", "1e3"], /is no number of 1 or more/],
  [["recv", "extra"], /too many arguments/],
  [["listen", "lab"], /add --json/],
  [["listen", "--json"], /Which network\?/],
  [["watch", "lab", "--only", "everything"], /Allowed choices are messages, receipts/],
  [["watch", "lab", "--peer", "#"], /is no peer name/],
  [["log", "--since", "yesterday"], /is no duration/],
  [["log", "--limit", "-1"], /is no number|argument missing/],
  [["log", "--peer", "a/b"], /is no peer name/],
  [["doctor", "extra"], /too many arguments/],
  [["guide", "extra"], /too many arguments/],
  [["broker", "start"], /too many arguments|unknown command/],
  [["broker", "--port", "0"], /is no port/],
  [["broker", "--port", "65536"], /is no port/],
  [["broker", "--port", "1883.5"], /is no port/],
  [["broker", "--host", "192.168.1.20"], /No managed broker can be at/],
  [["broker", "--url", "mqtts://127.0.0.1:1883"], /No managed broker can be at/],
  [["broker", "--url", "mqtt://127.0.0.1:1883", "--port", "1884"], /leave out --port/],
  [["mcp", "extra"], /too many arguments/],
];

describe("a command line", { timeout: 120_000 }, () => {
  it.for(wrong)("%j is refused, and told why", async ([args, reason]) => {
    const { code, stdout, stderr } = await shell.run([...args]);
    expect(stderr).toMatch(reason);
    expect(stderr.trim().split("\n").length).toBeLessThanOrEqual(3);
    expect({ code, stdout }).toEqual({ code: 2, stdout: "" });
  });

  it("is told of a fault as one JSON object where it asks for JSON", async () => {
    for (const args of [
      ["send", "dev", "x", "--type", "shout"],
      ["recv", "--limit", "none"],
      ["agents", "a b/c"],
    ]) {
      const { code, stderr, stdout } = await shell.run([...args, "--json"]);
      expect({ code, stdout }).toEqual({ code: 2, stdout: "" });
      expect(JSON.parse(stderr)).toEqual({
        error: { code: expect.stringMatching(/^bad-/), message: expect.any(String) },
      });
    }
  });

  it("shows its help for each command, on standard output", async () => {
    const { stdout } = await shell.does(["--help"]);
    const commands = [...stdout.matchAll(/^ {2}([a-z]+) \[options\]/gm)].map(([, name = ""]) => name);
    expect(commands).toEqual([
      "broker",
      "networks",
      "agents",
      "join",
      "leave",
      "send",
      "recv",
      "listen",
      "watch",
      "log",
      "doctor",
      "guide",
      "mcp",
    ]);
    expect(stdout).toMatch(/Exit codes:\n +0 +done/);
    for (const name of commands) {
      const help = await shell.does([name, "--help"]);
      expect(help.stdout).toContain(`Usage: pilink ${name}`);
      expect(help.stdout).toContain("--json");
      expect(help.stderr).toBe("");
    }
    for (const name of ["stop", "status"])
      expect((await shell.does(["broker", name, "--help"])).stdout).toContain("--port");
  });

  it("says when nobody can be reached: no network 5, no broker 6", async () => {
    expect(await shell.run(["recv"])).toMatchObject({ code: 5 });
    expect(await shell.run(["leave"])).toMatchObject({ code: 5 });
    expect(await shell.run(["broker", "status"])).toMatchObject({ code: 6 });
    const far = await shell.run(["send", "dev", "hi", "--network", "lab", "--url", "ws://127.0.0.1:1"]);
    expect(far.code).toBe(6);
    const unreachable = await shell.run(["networks", "--url", "ws://127.0.0.1:1"]);
    expect(unreachable).toMatchObject({ code: 6, stdout: "" });
    expect(unreachable.stderr).toContain("ws://127.0.0.1:1");
    const url = `mqtt://127.0.0.1:${await freePort()}`;
    for (const words of [["--background"], ["--url", url], ["--create", "--url", "ws://127.0.0.1:1"]]) {
      expect(await shell.run(["join", "lab", ...words], { env: { PILINK_URL: url } })).toMatchObject({ code: 6 });
    }
    const mistyped = await shell.run(["join", "lab", "--url", url]);
    expect(mistyped.stderr).toContain(
      `Nothing listens at ${url}: no broker runs there. Check the port; pilink join --create would start one there.`,
    );
    const changed = await shell.run(["join", "My Lab", "--url", url]);
    expect(changed.stderr).toContain('"My Lab" was made into the network name "my-lab".');
    const own = await shell.run(["join", "lab", "--url", "local"]);
    expect(own).toMatchObject({ code: 6 });
    expect(own.stderr).toMatch(
      /No managed broker runs here.* pilink join <network> --create --background starts both\./,
    );
    expect(await shell.run(["broker", "status", "--url", url])).toMatchObject({ code: 6 });
  });

  it("says what is wrong with a configuration, and shows no password", async () => {
    const folder = join(shell.home().path, "odd");
    await mkdir(folder, { recursive: true });
    await writeFile(join(folder, ".pilink.json"), '{"password":"hidden", "colour": 1}');
    const { code, stderr } = await shell.run(["networks"], { folder: "odd" });
    expect(code).toBe(2);
    expect(stderr).toContain(".pilink.json");
    expect(stderr).not.toContain("hidden");
    expect(await shell.run(["recv"], { env: { PILINK_KEEPALIVE_MS: "soon" } })).toMatchObject({ code: 2 });
  });

  it("takes no more than 1 MiB, from whichever side", async () => {
    await shell.does(["join", "sizes", "--name", "dev", "--create", "--background"]);
    await shell.does(["join", "sizes", "--name", "build", "--background"]);
    const most = "z".repeat(1024 * 1024);
    await shell.does(["send", "build", "--as", "dev"], { stdin: `${most}\n` });
    expect((await shell.does(["recv", "--as", "build", "--json"])).json[0]?.body).toBe(most);
    const { code, stderr } = await shell.run(["send", "build", "-", "--as", "dev"], { stdin: `${most}zz` });
    expect(code).toBe(4);
    expect(stderr).toContain("1 MiB");
    expect(await shell.run(["send", "build", "--as", "dev"], { stdin: "zz".repeat(1024 * 1024) })).toMatchObject({
      code: 4,
    });
  });
});
