import { mkdir, rm, writeFile } from "node:fs/promises";
import { join as joinPath } from "node:path";
import { describe, expect, test } from "vitest";
import type { PiProcess } from "../support/pi-process.ts";
import { create, type, useStage } from "./stage.ts";

const stage = useStage();
const config = (pi: PiProcess) => type(pi, "/pilink config", "Home's file");

/** The line of one setting. */
function settingOf(message: string, key: string): string {
  return message.split("\n").find((line) => line.startsWith(`${key}: `)) ?? `no ${key} in ${message}`;
}

describe("/pilink config", () => {
  test("shows the defaults where nothing is set, and where both files would be", async () => {
    const pi = await stage.start("plain", { env: { PILINK_URL: "" } });
    const { message, type: kind } = await config(pi);
    expect(kind).toBe("info");
    expect(settingOf(message, "url")).toBe("url: the managed broker of this home (default)");
    expect(settingOf(message, "delivery")).toBe("delivery: inject (default)");
    expect(settingOf(message, "confirm")).toBe("confirm: off (default)");
    expect(settingOf(message, "keepaliveMs")).toBe("keepaliveMs: 10000 (default)");
    expect(settingOf(message, "closingMs")).toBe("closingMs: 300000 (default)");
    expect(settingOf(message, "password")).toBe("password: not set (default)");
    expect(message).toContain(`Folder's file: ${joinPath(pi.cwd, ".pilink.json")} (not there)`);
    expect(message).toContain(`Home's file: ${joinPath(stage.broker().home, "config.json")} (not there)`);
    expect(message).not.toContain("This agent is in");
    await type(pi, "/pilink config lab", '"lab" is too much');
  });

  test("says beside it which network this agent is in, under which name", async () => {
    const pi = await stage.start("joined");
    await create(pi, "lab");
    const { message } = await config(pi);
    expect(settingOf(message, "url")).toBe(`url: ${stage.url()} (environment, PILINK_URL)`);
    expect(message).toContain(`This agent is in the network "lab" as "joined" (${stage.url()})`);
  });

  test("shows where each value comes from, aliases, what is remembered, and no credential [ERR-3]", async () => {
    const env = {
      PILINK_ROLE: "from the environment",
      PILINK_URL: "mqtt://u:geheim-1@127.0.0.1:1",
      PILINK_PASSWORD: "geheim-2",
    };
    const pi = await stage.start("full", { env });
    await mkdir(stage.broker().home, { recursive: true });
    const homeFile = joinPath(stage.broker().home, "config.json");
    const held = {
      role: "from the home",
      network: "team",
      delivery: "hold",
      deliveries: { "team/prod": "block" },
      username: "geheim-3",
      networks: { t: { network: "team", url: "mqtts://geheim-4:geheim-5@broker.example" } },
      urls: { office: "mqtt://geheim-6@192.168.1.20" },
      folders: {
        [pi.cwd]: { name: "remembered", network: "team" },
        ...Object.fromEntries(
          Array.from({ length: 7 }, (_, index) => [`/work/${index}`, { network: `n-${index}`, url: "local" }]),
        ),
      },
    };
    await writeFile(homeFile, JSON.stringify(held));
    await writeFile(joinPath(pi.cwd, ".pilink.json"), '{"closingMs": 1000, "role": "from the folder"}');
    try {
      const { message } = await config(pi);
      expect(settingOf(message, "role")).toBe("role: from the environment (environment, PILINK_ROLE)");
      expect(settingOf(message, "url")).toBe("url: mqtt://127.0.0.1:1 (environment, PILINK_URL)");
      expect(settingOf(message, "username")).toBe("username: set (home's file)");
      expect(settingOf(message, "password")).toBe("password: set (environment, PILINK_PASSWORD)");
      expect(settingOf(message, "closingMs")).toBe("closingMs: 1000 (folder's file)");
      expect(settingOf(message, "delivery")).toBe("delivery: hold (home's file)");
      expect(settingOf(message, "deliveries")).toBe("deliveries: team/prod block (home's file)");
      expect(settingOf(message, "name")).toBe("name: remembered (home's file)");
      expect(message).toContain("Alias of a broker: office = mqtt://192.168.1.20");
      expect(message).toContain("Alias of a network: t = team on mqtts://broker.example");
      expect(message).toContain("Remembered of this folder, in the home's file: network team, name remembered");
      expect(message).toContain("Remembered of /work/0, in the home's file: network n-0, url local");
      expect(message).toContain("Remembered of /work/4, in the home's file: network n-4");
      expect(message).toContain("Remembered of 2 more folders, in the home's file.");
      expect(message).not.toMatch(/not there/);
      expect(JSON.stringify(pi.records)).not.toContain("geheim");
    } finally {
      await rm(homeFile);
    }
  });

  test("of files that cannot be used names every fault and the way out, and nothing of what they hold", async () => {
    const pi = await stage.start("broken", { env: { PILINK_KEEPALIVE_MS: "soon" } });
    const homeFile = joinPath(stage.broker().home, "config.json");
    await mkdir(stage.broker().home, { recursive: true });
    await writeFile(homeFile, '{"nmae": "x", "password": "geheim-7"}');
    await writeFile(joinPath(pi.cwd, ".pilink.json"), '{"password": "geheim-8');
    try {
      const { message, type: kind } = await config(pi);
      expect(kind).toBe("error");
      expect(message).toMatch(/config\.json.*nmae.*Known keys: .*name/);
      expect(message).toMatch(/\.pilink\.json.*no JSON.*Mend or remove it/);
      expect(message).toMatch(/PILINK_KEEPALIVE_MS="soon"/);
      expect(message).not.toContain("geheim");
    } finally {
      await rm(homeFile);
    }
  });

  test("says what of an untrusted folder does not hold", async () => {
    const pi = await stage.start("untrusted");
    await writeFile(joinPath(pi.cwd, ".pilink.json"), '{"delivery": "turn"}');
    const { message, type: kind } = await config(pi);
    expect(kind).toBe("warning");
    expect(settingOf(message, "delivery")).toBe("delivery: inject (default)");
    expect(message).toMatch(/\.pilink\.json asks for .*delivery.*; that was ignored/);
  });
});
