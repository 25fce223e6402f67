import { describe, expect, it } from "vitest";
import { checkVersions, describeChecks, worstOf } from "../../peer/report.ts";

const ok = { name: "config", verdict: "ok", text: "read" } as const;
const failed = { name: "broker", verdict: "failed", text: "silent", wayOut: "Start it." } as const;
const warning = { name: "clock", verdict: "warning", text: "slow", wayOut: "Set it." } as const;

it("describeChecks shows the way out below what is wrong, and counts the verdicts, the worst first", () => {
  expect(describeChecks([ok, failed, { ...ok, name: "inbox" }])).toBe(
    "pilink doctor: 1 failed, 2 ok\nok      config: read\nfailed  broker: silent\n        → Start it.\nok      inbox: read",
  );
});

it("worstOf is what the whole comes to", () => {
  expect(worstOf([ok])).toBe("ok");
  expect(worstOf([ok, warning])).toBe("warning");
  expect(worstOf([warning, failed, ok])).toBe("failed");
});

describe("checkVersions", () => {
  it("refuses a Node that this package does not run on", () => {
    expect(checkVersions("1.0.0", [], "22.18.9")).toMatchObject({
      verdict: "failed",
      wayOut: expect.stringContaining("22.19"),
    });
    for (const version of ["22.19.0", "24.0.0"]) expect(checkVersions("1.0.0", [], version).verdict).toBe("ok");
  });

  it("names what it is told", () => {
    expect(checkVersions("1.2.3", ["Pi 9"]).text).toBe(`pilink 1.2.3, protocol 1, Pi 9, Node ${process.versions.node}`);
  });
});
