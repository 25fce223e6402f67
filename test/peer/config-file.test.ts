import { execFile } from "node:child_process";
import { lstatSync, mkdirSync, readdirSync, readFileSync, statSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { changeHomeConfig } from "../../peer/config-file.ts";
import { readHomeSettings } from "../../peer/settings.ts";
import { stopEverything } from "../support/cleanup.ts";
import { temporaryHome } from "../support/temporary-home.ts";

let home: string;
let path: string;

beforeEach(async () => {
  home = join((await temporaryHome()).path, "pilink");
  path = join(home, "config.json");
});
afterEach(stopEverything);

const read = (): unknown => JSON.parse(readFileSync(path, "utf8"));

describe("changeHomeConfig", () => {
  it("makes the file, for its owner only", async () => {
    await changeHomeConfig(home, (held) => ({ ...held, delivery: "hold" }));
    expect(read()).toEqual({ delivery: "hold" });
    expect(statSync(path).mode & 0o777).toBe(0o600);
    expect(statSync(home).mode & 0o777).toBe(0o700);
    expect(readdirSync(home).sort()).toEqual(["config-lock", "config.json"]);
  });

  it("keeps what it does not know and what was written by hand, in its order", async () => {
    mkdirSync(home);
    writeFileSync(path, '\ufeff{"future": {"a": [1]}, "url": "mqtt://h", "__proto__": {"x": 1}, "name": "me"}', {
      mode: 0o644,
    });
    await changeHomeConfig(home, (held) => ({ ...held, url: "mqtt://other" }));
    expect(readFileSync(path, "utf8")).toBe(
      `${JSON.stringify(JSON.parse('{"future":{"a":[1]},"url":"mqtt://other","__proto__":{"x":1},"name":"me"}'), null, 2)}\n`,
    );
    expect(statSync(path).mode & 0o777).toBe(0o600);
  });

  it("takes away what the change leaves out, and may be given its copy back", async () => {
    await changeHomeConfig(home, () => ({ delivery: "turn", confirm: true }));
    await changeHomeConfig(home, (held) => {
      delete held.delivery;
      return held;
    });
    expect(read()).toEqual({ confirm: true });
  });

  it("writes nothing where nothing changes", async () => {
    mkdirSync(home);
    writeFileSync(path, '{ "name" : "me" }');
    await changeHomeConfig(home, (held) => ({ ...held, name: "me" }));
    expect(readFileSync(path, "utf8")).toBe('{ "name" : "me" }');
  });

  it("leaves a link where it is", async () => {
    const kept = join(home, "..", "dotfiles.json");
    mkdirSync(home);
    writeFileSync(kept, "{}");
    symlinkSync(kept, path);
    await changeHomeConfig(home, () => ({ name: "me" }));
    expect(lstatSync(path).isSymbolicLink()).toBe(true);
    expect(JSON.parse(readFileSync(kept, "utf8"))).toEqual({ name: "me" });
  });

  it.each(["{ broken", "[]", '"text"', ""])("leaves the broken file %j as it is, and says so", async (text) => {
    mkdirSync(home);
    writeFileSync(path, text);
    await expect(changeHomeConfig(home, (held) => ({ ...held, name: "me" }))).rejects.toMatchObject({
      code: "bad-config",
      message: expect.stringMatching(/config\.json .*Mend or remove it/),
    });
    expect(readFileSync(path, "utf8")).toBe(text);
    // The lock is free again.
    writeFileSync(path, "{}");
    await changeHomeConfig(home, () => ({ name: "me" }));
  });

  it("refuses a value that could not be read again, and what the change itself refuses", async () => {
    await changeHomeConfig(home, () => ({ name: "me" }));
    await expect(changeHomeConfig(home, (held) => ({ ...held, delivery: "shout" }))).rejects.toMatchObject({
      code: "bad-config",
      message: expect.stringContaining("delivery"),
    });
    const refuse = () => {
      throw new RangeError("not today");
    };
    await expect(changeHomeConfig(home, refuse)).rejects.toThrow("not today");
    expect(read()).toEqual({ name: "me" });
  });

  it("says that the home cannot be used", async () => {
    writeFileSync(home, "a file");
    await expect(changeHomeConfig(home, (held) => held)).rejects.toMatchObject({ code: "state-unusable" });
  });

  it("loses nothing of several processes that change it at once", async () => {
    await changeHomeConfig(home, () => ({ role: "kept" }));
    const script = fileURLToPath(new URL("config-writer.ts", import.meta.url));
    const names = ["a", "b", "c"];
    await Promise.all(names.map((name) => promisify(execFile)(process.execPath, [script, home, name, "15"])));
    const { folders = {}, role } = readHomeSettings(home);
    expect(role).toBe("kept");
    expect(Object.keys(folders)).toHaveLength(45);
    expect(readdirSync(home).sort()).toEqual(["config-lock", "config.json"]);
  });
});
