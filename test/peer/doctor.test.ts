import { execFile } from "node:child_process";
import { chmod, mkdir, readdir, symlink, writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { resolveSettings } from "../../peer/config.ts";
import { examine, type Patient } from "../../peer/doctor.ts";
import type { Settings } from "../../peer/settings.ts";
import { checkStateFolder, judgeSpace } from "../../peer/state-check.ts";
import type { Place } from "../../peer/verdicts.ts";
import { FakePeer } from "../extension/fake-peer.ts";
import { onCleanup, stopEverything } from "../support/cleanup.ts";
import { listen } from "../support/network.ts";
import { temporaryHome } from "../support/temporary-home.ts";

let home: string;
beforeEach(async () => {
  home = (await temporaryHome()).path;
});
afterEach(stopEverything);

function patient(flags: Settings, changes: Partial<Patient> = {}): Patient {
  return {
    home,
    readSettings: () => resolveSettings({ home, folder: home, trust: "granted", env: {}, flags }),
    files: [],
    usualName: "dev",
    listManaged: async () => [],
    findManaged: async () => undefined,
    version: "1.0.0",
    joined: undefined,
    ...changes,
  };
}

describe("examine", () => {
  it("ends in time before a broker that says nothing, and one that never ends its answers", async () => {
    for (const greeting of ["", "HTTP/1.1 200 OK\r\n\r\n"]) {
      const server = createServer((socket) => {
        socket.on("error", () => undefined);
        onCleanup(() => {
          socket.destroy();
        });
        if (greeting !== "") socket.write(greeting);
      });
      const port = await listen(server);
      onCleanup(() => {
        server.close();
      });
      const startedMs = performance.now();
      const checks = await examine(patient({ url: `ws://127.0.0.1:${port}`, network: "lab" }));
      expect(performance.now() - startedMs).toBeLessThan(10_000);
      expect(checks.find(({ name }) => name === "broker")).toMatchObject({
        verdict: "failed",
        wayOut: expect.any(String),
      });
    }
  });

  it("ends in time where the managed broker cannot be asked", async () => {
    const startedMs = performance.now();
    const checks = await examine(patient({}, { findManaged: () => new Promise(() => undefined) }));
    expect(performance.now() - startedMs).toBeLessThan(10_000);
    expect(checks.find(({ verdict }) => verdict === "failed")).toMatchObject({
      name: "broker",
      text: expect.stringContaining("no verdict within"),
    });
  });

  it("makes a finding of what nobody thought of", async () => {
    const joined = { peer: new FakePeer(), isDefaultBroker: true, hasAccount: false };
    joined.peer.examine = () => Promise.reject(new TypeError("undefined is no function"));
    const checks = await examine(patient({}, { joined }));
    expect(checks).toContainEqual(
      expect.objectContaining({ verdict: "failed", text: expect.stringContaining("undefined is no function") }),
    );
  });

  it("looks at the network that this agent is in also where the configuration is broken", async () => {
    await writeFile(join(home, "config.json"), "{");
    const joined = { peer: new FakePeer(), isDefaultBroker: true, hasAccount: true };
    const checks = await examine(patient({}, { joined }));
    expect(checks.map(({ name, verdict }) => `${verdict} ${name}`)).toEqual([
      "failed config",
      "ok broker",
      "ok credentials",
      "ok probe",
      "ok host",
      "ok presence",
      "ok inbox",
      "ok rejected",
    ]);
  });

  it("warns of a clock that is an hour off the host's", async () => {
    const joined = { peer: new FakePeer(), isDefaultBroker: true, hasAccount: false };
    joined.peer.kind = "member";
    joined.peer.examination.host = { name: "dev", state: "answers", clockOffsetMs: 3_600_000 };
    const checks = await examine(patient({}, { joined }));
    expect(checks.find(({ name }) => name === "clock")).toMatchObject({
      verdict: "warning",
      wayOut: expect.any(String),
    });
  });

  it("shows no credential of the settings", async () => {
    const url = "mqtts://me:geheim-1@127.0.0.1:1";
    const checks = await examine(patient({ url, username: "you", password: "geheim-2", ca: "geheim-3.pem" }));
    expect(JSON.stringify(checks)).not.toMatch(/geheim-[12]/);
    expect(checks.find(({ name }) => name === "certificates")).toMatchObject({ verdict: "failed" });
  });
});

describe("checkStateFolder", () => {
  const place: Place = {
    address: undefined,
    managed: undefined,
    network: "lab",
    name: "dev",
    hasAccount: false,
    isJoined: false,
    version: "1.0.0",
  };
  const folder = () => join(home, "networks", "lab", "dev");

  it("says where the inbox will be, and makes nothing", async () => {
    expect(await checkStateFolder(home, place, true)).toMatchObject({
      verdict: "ok",
      text: `${folder()} will be made in ${home}`,
    });
    expect(await readdir(home)).toEqual([]);
  });

  it("tries the folder that is there, and leaves nothing in it", async () => {
    await mkdir(folder(), { recursive: true });
    await writeFile(join(folder(), "inbox.jsonl"), "");
    expect(await checkStateFolder(home, place, true)).toMatchObject({
      verdict: "ok",
      text: `${folder()} can be written`,
    });
    expect(await readdir(folder())).toEqual(["inbox.jsonl"]);
  });

  it("finds an inbox that is no file, and a home that is none", async () => {
    await mkdir(join(folder(), "inbox.jsonl"), { recursive: true });
    expect(await checkStateFolder(home, place, true)).toMatchObject({ verdict: "failed", wayOut: expect.any(String) });
    const file = join(home, "file");
    await writeFile(file, "");
    expect(await checkStateFolder(file, place, true)).toMatchObject({ verdict: "failed" });
    expect(await checkStateFolder(join(file, "below"), place, true)).toMatchObject({ verdict: "failed" });
  });

  it.skipIf(process.platform === "win32")("finds a disk that takes no more, and removes what it tried", async () => {
    await mkdir(folder(), { recursive: true });
    const module = new URL("../../peer/state-check.ts", import.meta.url).href;
    const script = `
      import { checkStateFolder } from ${JSON.stringify(module)};
      const check = await checkStateFolder(${JSON.stringify(home)}, ${JSON.stringify(place)}, true);
      process.stdout.write(JSON.stringify(check));
    `;
    // The nearest thing to a full disk that needs no right to mount one: no file may grow above 4 or 8 KiB.
    const limited = ["-c", 'ulimit -f 8; exec "$0" --input-type=module -e "$1"', process.execPath, script];
    const { stdout } = await promisify(execFile)("/bin/sh", limited);
    expect(JSON.parse(stdout)).toMatchObject({
      verdict: "failed",
      text: expect.stringContaining(folder()),
      wayOut: expect.stringContaining("PILINK_HOME"),
    });
    expect(await readdir(folder())).toEqual([]);
  });

  it("warns where a disk is nearly full", () => {
    expect(judgeSpace("x can be written", 2 ** 40).verdict).toBe("ok");
    expect(judgeSpace("x can be written", 3 * 2 ** 20)).toMatchObject({
      verdict: "warning",
      text: "x can be written, but only 3 MiB are free on that disk",
    });
  });

  const isRoot = process.getuid?.() === 0;
  it.skipIf(isRoot || process.platform === "win32")("finds a folder that may not be written", async () => {
    await mkdir(folder(), { recursive: true });
    await chmod(folder(), 0o500);
    const check = await checkStateFolder(home, place, true);
    await chmod(folder(), 0o700);
    expect(check).toMatchObject({ verdict: "failed", wayOut: expect.stringContaining("PILINK_HOME") });
  });

  it.skipIf(process.platform !== "linux")("finds a folder on a file system that cannot be written", async () => {
    await mkdir(join(home, "networks", "lab"), { recursive: true });
    await symlink("/proc/self", folder());
    expect(await checkStateFolder(home, place, true)).toMatchObject({
      verdict: "failed",
      wayOut: expect.stringContaining("PILINK_HOME"),
    });
  });
});
