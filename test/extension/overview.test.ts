import { afterEach, describe, expect, it } from "vitest";
import { nameCommand } from "../../extension/command-name.ts";
import { describeSettings } from "../../extension/commands/config.ts";
import { checkCopies } from "../../extension/commands/doctor.ts";
import { aliases, describeAll, describeUse } from "../../extension/commands/help.ts";
import { describeStatus } from "../../extension/commands/status.ts";
import { subcommands } from "../../extension/commands.ts";
import { claimCopy, refusedCopies, releaseCopy } from "../../extension/copies.ts";
import { describePlace } from "../../extension/footer.ts";
import { describeMoment } from "../../extension/layout.ts";
import { resolveSettings } from "../../peer/config.ts";
import { readPreferences } from "../../peer/preferences.ts";
import { describeAgent, describeAgentLines, describeDuration, describeTime } from "../../peer/texts.ts";
import { FakePeer, makeEntry, makeLine } from "./fake-peer.ts";

describe("help", () => {
  it("has a page with an example for every command, and names each once", () => {
    const all = describeAll(subcommands);
    for (const subcommand of subcommands) {
      const page = describeUse(subcommand);
      expect(page).toContain(subcommand.usage);
      expect(page).toMatch(new RegExp(`Example: /pilink ${subcommand.name}\\b`));
      expect(all.match(new RegExp(`^ {2}${subcommand.name} `, "gm")), subcommand.name).toHaveLength(1);
    }
  });

  it("knows of no alias without its command, and of no command that is an alias", () => {
    const names = subcommands.map(({ name }) => name);
    for (const [alias, meant] of Object.entries(aliases)) {
      expect(names).toContain(meant);
      expect(names).not.toContain(alias);
    }
  });

  it("fits the lines of the commands into 40 columns, of which Pi leaves 38", () => {
    const lines = describeAll(subcommands)
      .split("\n")
      .filter((line) => line.startsWith("  "));
    expect(lines).toHaveLength(subcommands.length);
    for (const line of lines) expect(line.length, line).toBeLessThanOrEqual(38);
  });
});

describe("nameCommand", () => {
  it("changes commands, and nothing that only looks like one", () => {
    expect(nameCommand("Run /pilink create lab, or /pilink.", "pilink-mqtt")).toBe(
      "Run /pilink-mqtt create lab, or /pilink-mqtt.",
    );
    for (const text of ["/home/me/pilink can be", "./pilink", "/pilink-mqtt join", "/pilink:1", "/pilink/lab/dev"]) {
      expect(nameCommand(text, "pilink-mqtt")).toBe(text);
    }
    expect(nameCommand("/pilink", "pilink")).toBe("/pilink");
  });
});

describe("copies", () => {
  afterEach(() => releaseCopy("/one"));

  it("are remembered until the one in use is released, each once", () => {
    expect(claimCopy("/one")).toBeUndefined();
    expect(refusedCopies()).toEqual([]);
    for (const path of ["/two", "/three", "/two"]) expect(claimCopy(path)).toBe("/one");
    expect(refusedCopies()).toEqual(["/two", "/three"]);
    releaseCopy("/two");
    expect(refusedCopies()).toEqual(["/two", "/three"]);
    releaseCopy("/one");
    expect(refusedCopies()).toEqual([]);
  });
});

describe("the doctor's own checks", () => {
  it("counts copies", () => {
    expect(checkCopies([]).verdict).toBe("ok");
    expect(checkCopies(["/a", "/b"])).toMatchObject({
      verdict: "warning",
      text: expect.stringMatching(/3 times.*\/a, \/b/),
    });
  });
});

describe("describeStatus", () => {
  const make = () => {
    const peer = new FakePeer();
    const preferences = readPreferences({});
    const broker = { url: "mqtt://127.0.0.1:1883", managed: true, isDefault: true, hasAccount: false };
    return { peer, preferences, broker };
  };
  const lineOf = (connection: ReturnType<typeof make>, start: string) =>
    describeStatus(connection, "1.2.3").find((line) => line.startsWith(start));

  it("counts what is unread as the inbox and the footer do, what waits for the model, and what is held", () => {
    const connection = make();
    connection.preferences.deliveries["lab/qa"] = "hold";
    connection.peer.entries = [
      makeEntry({ id: "1", from: "qa" }),
      makeEntry({ id: "2", from: "qa", attention: "cleared" }),
      makeEntry({ id: "3", state: "injected" }),
      makeEntry({ id: "4", state: "seen" }),
    ];
    const line = () => lineOf(connection, "Messages");
    const waiting = "2 that the model has not read (/pilink go), 1 of them held, 0 on their way to others.";
    expect(line()).toBe(`Messages: 2 unread (/pilink inbox), ${waiting}`);
    expect(describePlace(connection.peer).unread).toBe("2 unread");
    connection.peer.markAttention(["1", "3"], "read");
    expect(line()).toBe(`Messages: 0 unread, ${waiting}`);
    expect(describePlace(connection.peer).unread).toBe("");
    expect(lineOf(connection, "Delivery")).toMatch(/^Delivery: inject, another one for 1 agent/);
  });

  it("tells the version of the broker, or that it is not told", () => {
    expect(lineOf(make(), "Broker")).toBe("Broker: mqtt://127.0.0.1:1883 (managed), version 1.2.3.");
    expect(describeStatus(make(), undefined).join("\n")).toContain("version not told");
    const stopped = make();
    stopped.peer.connected = false;
    expect(describeStatus(stopped, undefined).join("\n")).toContain("(managed), not reached at the moment.");
    expect(describeStatus(make(), "a\u001b[31mb\nc").join("\n")).toContain("(managed), ab c.");
  });

  it("says of a lost connection that it is tried again", () => {
    const connection = make();
    connection.peer.connected = false;
    expect(lineOf(connection, "Connection")).toBe("Connection: local, not connected, trying again.");
  });
});

describe("describeAgentLines", () => {
  it("keeps to the 38 columns that Pi leaves of 40 for an agent of usual size", () => {
    const line = makeLine("review", { isSelf: true, isHost: true });
    Object.assign(line.presence, {
      role: "backend",
      activity: "waiting for its user",
      machine: "tower",
      folder: "shop",
      model: "claude-sonnet-9",
      context: 40,
      since: Date.now(),
    });
    const lines = describeAgentLines(line);
    expect(lines).toEqual([
      "  review (this agent, host) — backend",
      "    waiting for its user",
      "    tower / shop / claude-sonnet-9",
      expect.stringMatching(/^ {4}since \d.* — context 40 % used$/),
    ]);
    for (const each of lines) expect(each.length, each).toBeLessThanOrEqual(38);
    expect(describeAgent(line)).toMatch(/— backend — waiting for its user — tower \/ shop .* — since /);
  });

  it("says of one that is offline that it is suspended, whatever it did before", () => {
    const line = makeLine("prod", { state: "lost" });
    Object.assign(line.presence, { activity: "working", context: 5 });
    expect(describeAgentLines(line).join("\n")).toMatch(/offline, may return\)\n {4}suspended\n {4}since [^%]*$/);
  });

  it("says of those who were there last neither what they do nor that they may return", () => {
    const line = makeLine("dev", { state: "lost", isHost: true });
    Object.assign(line.presence, { activity: "working", machine: "tower", context: 5 });
    expect(describeAgentLines(line, true)).toEqual([
      "  dev (host)",
      "    tower",
      expect.stringMatching(/^ {4}since [^%]*$/),
    ]);
  });

  it("lets nothing that an agent says of itself begin a line or reach a terminal", () => {
    const line = makeLine("prod", { role: "x\n  dev (host)\u001b[2J" });
    Object.assign(line.presence, { activity: "y\nz", machine: "m\nn" });
    expect(describeAgentLines(line)).toEqual([
      "  prod — x dev (host)",
      "    y z",
      "    m n",
      expect.stringMatching(/since/),
    ]);
  });
});

describe("times", () => {
  it("show the day where it is not today", () => {
    const noon = new Date(2026, 10, 21, 12).getTime();
    expect(describeTime(noon, noon + 3_600_000)).not.toMatch(/2026/);
    expect(describeTime(noon, noon + 86_400_000)).toMatch(/2026/);
  });

  it("are written in one way, of 24 hours, wherever they stand", () => {
    for (const [hour, text] of [
      [0, "00:05"],
      [9, "09:05"],
      [15, "15:05"],
    ] as const) {
      const moment = new Date(2026, 10, 21, hour, 5).getTime();
      expect([describeTime(moment, moment), describeMoment(moment, moment)]).toEqual([text, text]);
      expect(describeTime(moment, moment + 86_400_000)).toMatch(new RegExp(`${text}$`));
    }
  });

  it.each([
    [0, "0 s"],
    [59_400, "59 s"],
    [60_000, "1 min"],
    [3_600_000, "1 h"],
    [11_100_000, "3 h 5 min"],
    [86_400_000, "1 d"],
    [187_200_000, "2 d 4 h"],
  ])("show %i ms as %s", (ms, text) => {
    expect(describeDuration(ms)).toBe(text);
  });
});

describe("describeSettings", () => {
  it("shows no credential, wherever it stands [ERR-3]", () => {
    const flags = {
      url: "mqtt://geheim-1:geheim-2@h.example",
      password: "geheim-3",
      ca: "-----BEGIN CERTIFICATE-----\ngeheim-4",
    };
    const settled = resolveSettings({ home: "/nowhere", folder: "/nowhere", trust: "granted", env: {}, flags });
    const lines = describeSettings(settled);
    expect(lines.join("\n")).not.toContain("geheim");
    expect(lines).toContain("username: set, in the url (default)");
    expect(lines).toContain("password: set (flag)");
    expect(lines).toContain("ca: set (flag)");
    expect(lines).toContain("url: mqtt://h.example (flag)");
  });
});
