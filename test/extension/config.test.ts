import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { resolveSettings } from "../../peer/config.ts";
import type { Settings } from "../../peer/settings.ts";
import { stopEverything } from "../support/cleanup.ts";
import { temporaryHome } from "../support/temporary-home.ts";

let home: string;
let folder: string;

beforeEach(async () => {
  const { path } = await temporaryHome();
  home = join(path, "home");
  folder = join(path, "folder");
  mkdirSync(home);
  mkdirSync(folder);
});
afterEach(stopEverything);

function resolve(env: Record<string, string> = {}, flags: Settings = {}) {
  return resolveSettings({ home, folder, trust: "granted", env, flags });
}

function fault(code: string, ...parts: string[]) {
  const message = parts.map((part) => expect.stringContaining(part));
  return expect.objectContaining({
    code,
    message: expect.toSatisfy((text: string) => message.every((each) => each.asymmetricMatch(text))),
  });
}

describe("resolveSettings", () => {
  it("knows no settings where nothing is set", () => {
    const { values, sources } = resolve();
    expect(values).toEqual({});
    expect(new Set(Object.values(sources))).toEqual(new Set(["default"]));
  });

  it("takes flags before the environment before the folder before the home, and says which", () => {
    writeFileSync(join(home, "config.json"), '{"url":"mqtt://h:1","name":"h","role":"h","closingMs":1}');
    writeFileSync(join(folder, ".pilink.json"), '{"url":"mqtt://f:1","name":"f","role":"f"}');
    const { values, sources } = resolve({ PILINK_NAME: "e", PILINK_URL: "mqtt://e:1" }, { url: "mqtt://g:1" });
    expect(values).toEqual({ url: "mqtt://g:1", name: "e", role: "f", closingMs: 1 });
    expect(sources).toMatchObject({
      url: "flag",
      name: "environment",
      role: "folder",
      closingMs: "home",
      password: "default",
    });
  });

  it("reads every variable, and an empty one as unset", () => {
    const env = {
      PILINK_URL: "mqtt://h",
      PILINK_USERNAME: "u",
      PILINK_PASSWORD: "p",
      PILINK_CA: "ca.pem",
      PILINK_NAME: "n",
      PILINK_ROLE: "r",
      PILINK_NETWORK: "lab",
      PILINK_DELIVERY: "inject",
      PILINK_KEEPALIVE_MS: "2000",
      PILINK_CLOSING_MS: "0",
    };
    expect(resolve(env).values).toEqual({
      url: "mqtt://h",
      username: "u",
      password: "p",
      ca: "ca.pem",
      name: "n",
      role: "r",
      network: "lab",
      delivery: "inject",
      keepaliveMs: 2_000,
      closingMs: 0,
    });
    expect(resolve({ PILINK_URL: "" }).values).toEqual({});
  });

  it("takes a file that begins with a byte order mark", () => {
    writeFileSync(join(folder, ".pilink.json"), '\ufeff{"name":"f"}');
    expect(resolve().values).toEqual({ name: "f" });
  });

  it("names the file and the place where it is no JSON, and quotes nothing of it", () => {
    const path = join(folder, ".pilink.json");
    writeFileSync(path, '{\n  "password": "secret",\n  "name": oops\n}');
    expect(() => resolve()).toThrow(fault("bad-config", path, "line 3, column 11", "Mend or remove"));
    expect(() => resolve()).not.toThrow(/secret/);
    writeFileSync(path, '{\n  "name": "x"');
    expect(() => resolve()).toThrow(fault("bad-config", path, "line 2, column 14"));
  });

  it("names an unknown key and the known ones", () => {
    writeFileSync(join(home, "config.json"), '{"nmae":"x"}');
    expect(() => resolve()).toThrow(fault("bad-config", join(home, "config.json"), "nmae", "name"));
  });

  it.each(['{"url":1}', '{"keepaliveMs":"x"}', '{"keepaliveMs":1}', '{"delivery":"shout"}', "[]", "null", '"x"'])(
    "refuses %s",
    (text) => {
      writeFileSync(join(folder, ".pilink.json"), text);
      expect(() => resolve()).toThrow(fault("bad-config", ".pilink.json"));
    },
  );

  it("names the file that cannot be read", () => {
    mkdirSync(join(folder, ".pilink.json"));
    expect(() => resolve()).toThrow(fault("bad-config", ".pilink.json", "Mend or remove"));
  });

  it("names the variable that does not fit", () => {
    expect(() => resolve({ PILINK_KEEPALIVE_MS: "soon" })).toThrow(fault("bad-config", "PILINK_KEEPALIVE_MS", "soon"));
    expect(() => resolve({ PILINK_KEEPALIVE_MS: "1" })).toThrow(fault("bad-config", "PILINK_KEEPALIVE_MS"));
    expect(() => resolve({ PILINK_DELIVERY: "shout" })).toThrow(fault("bad-config", "PILINK_DELIVERY"));
  });

  it("names where an address came from that is none, without its credentials", () => {
    expect(() => resolve({ PILINK_URL: "http://u:secret@h" })).toThrow(fault("bad-config", "PILINK_URL", "mqtt://"));
    expect(() => resolve({ PILINK_URL: "http://u:secret@h" })).not.toThrow(/secret/);
    expect(() => resolve({}, { url: "mqtt://h:99999" })).toThrow(fault("bad-argument", "--url", "h:99999"));
    writeFileSync(join(folder, ".pilink.json"), '{"url":"ftp://h"}');
    expect(() => resolve()).toThrow(fault("bad-config", ".pilink.json", '"url"', "ftp"));
  });
});
