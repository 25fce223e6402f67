import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { type FolderTrust, resolveSettings } from "../../peer/config.ts";
import { defaults, type Settings, settingKeys } from "../../peer/settings.ts";
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

function resolve(env: Record<string, string> = {}, flags: Settings = {}, trust: FolderTrust = "granted") {
  return resolveSettings({ home, folder, trust, env, flags });
}

function writeHome(value: unknown): void {
  writeFileSync(join(home, "config.json"), JSON.stringify(value));
}

function writeFolder(value: unknown): void {
  writeFileSync(join(folder, ".pilink.json"), JSON.stringify(value));
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

describe("defaults", () => {
  it("are settings that could be written by hand", () => {
    writeHome(defaults);
    expect(resolve().values).toEqual(defaults);
    expect(settingKeys).toEqual(expect.arrayContaining(Object.keys(defaults)));
  });
});

describe("an alias of a network", () => {
  it("stands for a network, with what belongs to it", () => {
    writeHome({
      url: "mqtt://h",
      name: "h",
      networks: { work: { network: "team-lab", url: "mqtts://work", name: "me", role: "tester" }, short: "long-name" },
    });
    expect(resolve({}, { network: "work" })).toMatchObject({
      values: { network: "team-lab", url: "mqtts://work", name: "me", role: "tester" },
      sources: { network: "flag", url: "home", name: "home", role: "home" },
      isNameChosen: true,
    });
    expect(resolve({}, { network: "short" }).values).toEqual({ network: "long-name", url: "mqtt://h", name: "h" });
    expect(resolve({}, { network: "other" }).values.network).toBe("other");
    expect(resolve({}, { network: "constructor" }).values.network).toBe("constructor");
  });

  it("counts just below what names the network", () => {
    writeHome({ networks: { work: { network: "team-lab", url: "mqtt://work", name: "alias" } } });
    const env = { PILINK_URL: "mqtt://e", PILINK_NAME: "e" };
    expect(resolve(env, { network: "work" }).values).toMatchObject({ url: "mqtt://work", name: "alias" });
    expect(resolve(env, { network: "work", name: "flag" }).values).toMatchObject({ url: "mqtt://work", name: "flag" });
    expect(resolve({ ...env, PILINK_NETWORK: "work" }).values).toMatchObject({ url: "mqtt://e", name: "e" });
    writeFolder({ network: "work", name: "f" });
    expect(resolve().values).toMatchObject({ network: "team-lab", url: "mqtt://work", name: "f" });
  });

  it("is refused where it is none", () => {
    for (const [value, part] of [
      [{ networks: { "a b": "x" } }, '"a b" is no alias'],
      [{ networks: { a: { url: "mqtt://h" } } }, 'nor {"network"'],
      [{ networks: { a: { network: "x", url: "ftp://h" } } }, "ftp"],
      [{ networks: { a: { network: "x", password: "p" } } }, "networks"],
      [{ urls: { a: "ftp://h" } }, "ftp"],
      [{ urls: { local: "mqtt://h" } }, "stands for the broker of this home"],
      [{ folders: { "/x": { url: "ftp://h" } } }, "ftp"],
    ] as const) {
      writeHome(value);
      expect(() => resolve()).toThrow(fault("bad-config", join(home, "config.json"), part));
    }
    writeHome({});
    writeFolder({ networks: { a: "b" } });
    expect(() => resolve()).toThrow(fault("bad-config", ".pilink.json", "networks"));
  });
});

describe("an alias of a broker", () => {
  it("stands for its address, wherever it is named", () => {
    writeHome({ urls: { office: "mqtts://broker.example" }, networks: { work: { network: "lab", url: "office" } } });
    expect(resolve({}, { url: "office" }).values.url).toBe("mqtts://broker.example");
    expect(resolve({ PILINK_URL: "office" }).values.url).toBe("mqtts://broker.example");
    expect(resolve({}, { network: "work" }).values.url).toBe("mqtts://broker.example");
    expect(resolve({}, { url: "offices" }).values.url).toBe("offices");
  });

  it('"local" stands for the broker of this home, also where another one is set', () => {
    writeHome({ url: "mqtt://h" });
    const { values, sources } = resolve({ PILINK_URL: "mqtt://e" }, { url: "local" });
    expect(values).toEqual({});
    expect(sources.url).toBe("flag");
  });
});

describe("what is remembered of a folder", () => {
  it("comes before the rest of the home's file, and after the folder's own", () => {
    writeHome({
      name: "h",
      role: "h",
      network: "h",
      folders: { [folder]: { network: "lab", url: "local", name: "me" }, "/elsewhere": { role: "x" } },
    });
    expect(resolve()).toMatchObject({
      values: { network: "lab", name: "me", role: "h" },
      sources: { network: "home", name: "home" },
      isNameChosen: false,
    });
    writeFolder({ network: "f", name: "f" });
    expect(resolve()).toMatchObject({ values: { network: "f", name: "f" }, isNameChosen: true });
  });

  it("says that a name was set by a person, or only used before", () => {
    expect(resolve().isNameChosen).toBe(false);
    expect(resolve({ PILINK_NAME: "e" }).isNameChosen).toBe(true);
    writeHome({ name: "h" });
    expect(resolve().isNameChosen).toBe(true);
  });
});

describe("a folder that came from somewhere", () => {
  const account = { PILINK_USERNAME: "me", PILINK_PASSWORD: "mine" };

  it("is ignored where it is not trusted, and that is said; also a broken file", () => {
    expect(resolve({}, {}, "none").notes).toEqual([]);
    writeFileSync(join(folder, ".pilink.json"), "{ broken");
    const { values, notes } = resolve({}, {}, "none");
    expect(values).toEqual({});
    expect(notes).toEqual([expect.stringMatching(/\.pilink\.json was ignored.*\/trust/)]);
  });

  it("gets no account of the person's for its address while nobody said that it is trusted", () => {
    writeHome({ username: "h" });
    writeFolder({ url: "mqtt://evil.example", name: "f" });
    const { values, sources, notes } = resolve({ PILINK_PASSWORD: "mine" }, {}, "implied");
    expect(values).toEqual({ url: "mqtt://evil.example", name: "f" });
    expect(sources).toMatchObject({ url: "folder", username: "default", password: "default" });
    expect(notes).toEqual([expect.stringMatching(/user name and password were not given to it/)]);
    expect(resolve(account, {}, "granted").values).toMatchObject({ username: "me", password: "mine" });
    expect(resolve(account, {}, "granted").notes).toEqual([]);
  });

  it("gets none through the address of an alias or through part of an account either", () => {
    writeHome({ networks: { lab: { network: "lab", name: "me" } } });
    writeFolder({ url: "mqtt://evil.example", network: "lab", username: "theirs" });
    const { values } = resolve(account, {}, "implied");
    // The account in the environment is stronger than the folder's: all of it is the person's.
    expect(values).toMatchObject({ url: "mqtt://evil.example", name: "me" });
    expect(values).not.toHaveProperty("username");
    expect(values).not.toHaveProperty("password");
  });

  it("keeps its own account, and that for an address which the person has set as well", () => {
    writeFolder({ url: "mqtt://team.example", username: "team", password: "theirs" });
    expect(resolve({}, {}, "implied").values).toMatchObject({ username: "team", password: "theirs" });
    writeFolder({ url: "mqtt://team.example" });
    writeHome({ url: "mqtt://team.example:1883", ...{ username: "me", password: "mine" } });
    expect(resolve({}, {}, "implied").values).not.toHaveProperty("password");
    writeHome({ url: "mqtt://team.example", username: "me", password: "mine" });
    expect(resolve({}, {}, "implied")).toMatchObject({ values: { username: "me", password: "mine" }, notes: [] });
    writeHome({ urls: { team: "mqtt://team.example" }, username: "me", password: "mine" });
    writeFolder({ url: "team" });
    expect(resolve({}, {}, "implied").values).toMatchObject({ url: "mqtt://team.example", password: "mine" });
  });

  it("starts no turns", () => {
    writeFolder({ delivery: "turn", deliveries: { "lab/dev": "turn", "lab/prod": "hold" } });
    const { values, notes } = resolve({}, {}, "implied");
    expect(values).toEqual({ deliveries: { "lab/prod": "hold" } });
    expect(notes).toEqual([expect.stringMatching(/"turn".*ignored.*\/trust/)]);
    expect(resolve({}, {}, "granted").values.delivery).toBe("turn");
    writeFolder({ delivery: "hold" });
    expect(resolve({}, {}, "implied")).toMatchObject({ values: { delivery: "hold" }, notes: [] });
  });

  it("lets nothing in or out that the person holds back", () => {
    const own = {
      confirm: true,
      acceptUnverified: false,
      auditDays: 365,
      delivery: "hold",
      deliveries: { "lab/dev": "block" },
    };
    writeHome(own);
    writeFolder({
      ...{ confirm: false, acceptUnverified: true, auditDays: 0 },
      ...{ delivery: "inject", deliveries: { "lab/dev": "inject", "lab/ops": "block" } },
    });
    const { values, notes } = resolve({}, {}, "implied");
    expect(values).toEqual({ ...own, deliveries: { "lab/dev": "block", "lab/ops": "block" } });
    for (const key of ["confirm", "acceptUnverified", "auditDays", "delivery", "lab/dev"]) {
      expect(notes.join()).toContain(`"${key}"`);
    }
    expect(resolve({}, {}, "granted").values).toMatchObject({ confirm: false, deliveries: { "lab/dev": "inject" } });
    // To hold what is blocked would let it in.
    writeFolder({ deliveries: { "lab/dev": "hold", "lab/ops": "hold" } });
    expect(resolve({}, {}, "implied").values.deliveries).toEqual({ "lab/dev": "block", "lab/ops": "hold" });
    expect(resolve({}, {}, "implied").notes).toEqual([
      expect.stringMatching(/asks for "hold" for "lab\/dev"; that was ignored/),
    ]);
    writeFolder({ confirm: true, acceptUnverified: false, deliveries: {} });
    expect(resolve({}, {}, "granted").values.deliveries).toEqual({ "lab/dev": "block" });
    expect(resolve({}, {}, "implied").notes).toEqual([]);
  });

  it("names no certificates for the person's broker", () => {
    writeFolder({ ca: "theirs.pem" });
    const { values, notes } = resolve({ PILINK_URL: "mqtts://mine.example" }, {}, "implied");
    expect(values).toEqual({ url: "mqtts://mine.example" });
    expect(notes).toEqual([expect.stringMatching(/certificates.*ignored/)]);
    writeFolder({ ca: "theirs.pem", url: "mqtts://theirs.example" });
    expect(resolve({}, {}, "implied").values).toMatchObject({ ca: "theirs.pem" });
  });
});
