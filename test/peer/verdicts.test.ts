import { describe, expect, it } from "vitest";
import type { Examination } from "../../peer/examination.ts";
import {
  judgeAccount,
  judgeBroker,
  judgeClock,
  judgeFault,
  judgeHost,
  judgeLink,
  judgeNetworks,
  judgeOthers,
  judgeOwnRecord,
  judgeRejected,
  judgeRights,
  type Place,
} from "../../peer/verdicts.ts";
import { PilinkError } from "../../protocol/errors.ts";

const hourMs = 3_600_000;
const place: Place = {
  address: "mqtt://192.168.1.20:1883",
  managed: undefined,
  network: "lab",
  name: "dev",
  hasAccount: false,
  isJoined: true,
  version: "2.0.0",
};
const found: Examination = {
  fault: undefined,
  version: undefined,
  muteTopic: undefined,
  isRetaining: true,
  host: { name: "dev", state: "answers", clockOffsetMs: 0 },
  ownRecord: "works",
};
const status = {
  network: "lab",
  name: "prod",
  kind: "member",
  epoch: "e",
  net: "n",
  host: "dev",
  url: "mqtt://192.168.1.20:1883",
  state: "active",
  connected: true,
  clockOffsetMs: 0,
  waiting: 0,
  unread: 0,
  rejected: {},
} as const;

describe("judgeFault", () => {
  it("takes the first sentence as what is wrong, and the rest as the way out", () => {
    const fault = new PilinkError(
      "broker-unreachable",
      "No broker answers at mqtt://h.example:1883 (E). Check it. Or go.",
    );
    expect(judgeFault("broker", fault)).toEqual({
      name: "broker",
      verdict: "failed",
      text: "No broker answers at mqtt://h.example:1883 (E)",
      wayOut: "Check it. Or go.",
    });
  });

  it.each(["nothing to do here", "nothing to do here."])("has a way out for %j", (message) => {
    const check = judgeFault("x", new PilinkError("bad-name", message), "Do this.");
    expect(check).toMatchObject({ text: "nothing to do here", wayOut: "Do this." });
  });
});

describe("judgeClock", () => {
  it("is content with a small difference, in both directions", () => {
    for (const offsetMs of [0, 4_000, -4_000]) {
      expect(judgeClock(offsetMs, offsetMs)).toEqual([
        { name: "clock", verdict: "ok", text: `differs from the host's by ${Math.abs(offsetMs)} ms` },
      ]);
    }
  });

  it("warns of a clock that is an hour off, and says which one is behind", () => {
    expect(judgeClock(hourMs, hourMs)[0]).toMatchObject({
      verdict: "warning",
      text: expect.stringMatching(/60 min behind/),
    });
    expect(judgeClock(-3 * hourMs, undefined)[0]).toMatchObject({ text: expect.stringMatching(/^3 h ahead of/) });
  });

  it("warns of a clock that was set since the join, because the difference of then is counted with", () => {
    const [check] = judgeClock(hourMs, 0);
    expect(check).toMatchObject({ verdict: "warning", wayOut: expect.stringMatching(/join again/) });
    expect(check?.text).toMatch(/set since this agent joined.*60 min/);
    expect(judgeClock(0, hourMs)[0]?.verdict).toBe("warning");
  });

  it("says nothing of a host that did not tell", () => {
    expect(judgeClock(undefined, 0)).toEqual([]);
  });
});

describe("judgeBroker", () => {
  const managed = { url: "mqtt://127.0.0.1:1883", pid: 7, version: "1.0.0" };

  it("warns of a managed broker of another version", () => {
    expect(judgeBroker({ ...place, managed }, found)).toMatchObject({
      verdict: "warning",
      text: expect.stringMatching(/version 1\.0\.0.*this is version 2\.0\.0/),
    });
    expect(judgeBroker({ ...place, managed: { ...managed, version: "2.0.0" } }, found).verdict).toBe("ok");
  });

  it("warns of plain MQTT over the internet, and only of that", () => {
    for (const [address, verdict] of [
      ["mqtt://broker.example.org:1883", "warning"],
      ["ws://203.0.113.7:80", "warning"],
      ["mqtts://broker.example.org:8883", "ok"],
      ["mqtt://100.64.1.2:1883", "ok"],
      ["mqtt://tower.tail1234.ts.net:1883", "ok"],
    ] as const) {
      expect(judgeBroker({ ...place, address }, found).verdict, address).toBe(verdict);
    }
  });

  it("says that the version is not told, or what it is", () => {
    expect(judgeBroker(place, found).text).toContain("not told");
    expect(judgeBroker(place, { ...found, version: "mosquitto version 2.0.11" }).text).toContain(
      "(external, mosquitto",
    );
  });

  it("takes a free port on this machine for a place to start at, unless this agent was connected there", () => {
    const fault = new PilinkError("broker-unreachable", "No broker answers. Check it.");
    const here = { ...place, address: "mqtt://127.0.0.1:1999" };
    expect(judgeBroker({ ...here, isJoined: false }, { ...found, fault }).verdict).toBe("ok");
    expect(judgeBroker(here, { ...found, fault }).verdict).toBe("failed");
    expect(judgeBroker({ ...place, isJoined: false }, { ...found, fault }).verdict).toBe("failed");
  });
});

describe("judgeAccount", () => {
  const refusal = { ...found, fault: new PilinkError("broker-credentials", "Refused. Set it.") };

  it("tells a missing account from a wrong one", () => {
    expect(judgeAccount(place, refusal)).toMatchObject({ verdict: "failed", text: expect.stringMatching(/^not set/) });
    expect(judgeAccount({ ...place, hasAccount: true }, refusal).text).toMatch(/^set, but/);
    expect(judgeBroker(place, refusal).verdict).toBe("ok");
  });
});

describe("judgeRights and judgeOwnRecord", () => {
  const mute = { ...found, muteTopic: "pilink/lab/dev/inbox" };

  it("name the topic, and are only warnings where nobody named a network", () => {
    expect(judgeRights(place, mute)).toMatchObject({
      verdict: "failed",
      text: expect.stringContaining("lab/dev/inbox"),
    });
    expect(judgeRights({ ...place, isJoined: false, network: undefined }, mute)).toMatchObject({
      verdict: "warning",
      wayOut: expect.stringContaining("PILINK_NETWORK"),
    });
    expect(judgeOwnRecord(place, { ...found, ownRecord: "missing" })).toMatchObject([{ verdict: "failed" }]);
    expect(judgeOwnRecord({ ...place, isJoined: false }, { ...found, ownRecord: "unknown" })).toMatchObject([
      { verdict: "ok", text: expect.stringContaining("another life") },
    ]);
  });

  it("say nothing of the host and the record where the rights are missing", () => {
    expect(judgeOwnRecord(place, mute)).toEqual([]);
    expect(judgeHost(place, mute, status)).toEqual([]);
  });
});

describe("judgeHost", () => {
  it.each([
    ["answers", "ok"],
    ["silent", "failed"],
    ["lost", "warning"],
    ["dead", "failed"],
  ] as const)("of one that is %s says %s", (state, verdict) => {
    const host = { name: "dev", state, clockOffsetMs: undefined };
    expect(judgeHost(place, { ...found, host }, status)).toMatchObject([{ name: "host", verdict }]);
  });

  it("finds no fault in a network that is not there yet", () => {
    const checks = judgeHost({ ...place, isJoined: false }, { ...found, host: undefined }, undefined);
    expect(checks).toMatchObject([{ verdict: "ok", text: expect.stringContaining("/pilink create lab") }]);
  });

  it("warns of a suspension whose host answers", () => {
    expect(judgeHost(place, found, { ...status, state: "suspended" })[0]?.verdict).toBe("warning");
  });
});

it("judgeLink warns of a connection that is down", () => {
  expect(judgeLink({ connected: true })).toEqual([]);
  expect(judgeLink({ connected: false })).toMatchObject([{ verdict: "warning", wayOut: expect.any(String) }]);
});

it("judgeNetworks lists what can be joined", () => {
  const lab = { network: "lab", host: "dev", isOpen: true, agents: 2, about: undefined };
  expect(judgeNetworks([]).text).toContain("/pilink create");
  expect(judgeNetworks([lab, { ...lab, network: "den", isOpen: false }]).text).toMatch(
    /there are lab \(host dev\), den \(host dev, which does not answer\); \/pilink join lab$/,
  );
});

it("judgeRejected counts by code, with its meaning", () => {
  expect(judgeRejected({ network: "lab", rejected: {} }).verdict).toBe("ok");
  expect(judgeRejected({ network: "lab", rejected: { "too-big": 2, "bad-payload": 0 } })).toMatchObject({
    verdict: "warning",
    text: expect.stringMatching(/^2 × too-big \(A body is larger/),
    wayOut: expect.stringContaining("pilink/lab/#"),
  });
});

it("judgeOthers names the managed brokers beside the one that is used", () => {
  const used = { url: "mqtt://127.0.0.1:1883", pid: 1, version: "1.0.0" };
  const other = { url: "mqtt://127.0.0.1:1999", pid: 2, version: "1.0.0" };
  expect(judgeOthers([used], used)).toEqual([]);
  expect(judgeOthers([used, other], used)).toEqual([
    { name: "brokers", verdict: "ok", text: "another managed broker runs too: mqtt://127.0.0.1:1999 (pid 2)" },
  ]);
  expect(judgeOthers([used, other], undefined)[0]?.text).toMatch(/^other managed brokers run too: .*1883.*1999/);
});
