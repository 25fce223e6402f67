import { describe, expect, it } from "vitest";
import { Restraint } from "../../peer/restraint.ts";

describe("what a model sends to one peer [SESS-13]", () => {
  it("is not the same text within 10 s", () => {
    let nowMs = 0;
    const restraint = new Restraint(() => nowMs);
    expect(restraint.check("prod", "hello")).toBeUndefined();
    restraint.note("prod", "hello");
    nowMs = 9_999;
    expect(restraint.check("prod", "hello")).toMatchObject({ code: "too-many", value: "prod" });
    expect(restraint.check("prod", "hello!")).toBeUndefined();
    expect(restraint.check("ci", "hello")).toBeUndefined();
    nowMs = 10_000;
    expect(restraint.check("prod", "hello")).toBeUndefined();
  });

  it("is not more than 20 messages a minute, counted as they leave the minute", () => {
    let nowMs = 0;
    const restraint = new Restraint(() => nowMs);
    for (let number = 0; number < 20; number += 1) {
      expect(restraint.check("prod", `text ${number}`)).toBeUndefined();
      restraint.note("prod", `text ${number}`);
      nowMs += 1_000;
    }
    expect(restraint.check("prod", "one more")).toMatchObject({ code: "too-many" });
    expect(restraint.check("ci", "one more")).toBeUndefined();
    nowMs = 60_000;
    expect(restraint.check("prod", "one more")).toBeUndefined();
  });

  it("counts only what went", () => {
    const restraint = new Restraint(() => 0);
    for (let number = 0; number < 30; number += 1) expect(restraint.check("prod", "text")).toBeUndefined();
  });
});
