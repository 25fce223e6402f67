import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { question } from "../../demo/models.ts";
import { captureMarks, replaceCapture } from "../../demo/readme.ts";
import { describeTick } from "../../extension/ticks.ts";

const readme = readFileSync(new URL("../../README.md", import.meta.url), "utf8");

describe("the captured screens in the README", () => {
  const [, captured = ""] = readme.split(captureMarks.begin);
  const [shown = "", after] = captured.split(captureMarks.end);

  it("show what both people see, as npm run capture wrote it", () => {
    expect(after).toBeDefined();
    const screens = [...shown.matchAll(/```text\n([\s\S]*?)\n```/g)].map(([, screen]) => screen ?? "");
    expect(screens).toHaveLength(2);
    const [dev = "", prod = ""] = screens;
    expect(dev).toContain('Created the network "lab"');
    expect(dev).toContain(`→ prod ${describeTick(["replied"]).text}`);
    expect(dev).toMatch(/← prod \(reviewer\) \d\d:\d\d\n answers “/);
    expect(dev).toMatch(/^lab · dev · 2 agents/m);
    expect(prod).toContain('Joined the network "lab"');
    expect(prod).toMatch(/← dev \(backend\) \d\d:\d\d/);
    expect(prod).toContain(question);
    expect(prod).toContain(`pilink_send → dev ${describeTick(["injected"]).text}`);
  });

  it("hold nothing of the machine that they were captured on", () => {
    expect(shown).not.toMatch(/(^|[\s'"])\/(tmp|home|root|work|Users)\//m);
    expect(shown.match(/-p \d+/g)).toEqual(["-p 1883"]);
  });

  it("are replaced as a whole, and nothing else is", () => {
    const written = replaceCapture(readme, { dev: "one", prod: "two" });
    expect(written.split(captureMarks.begin)[0]).toBe(readme.split(captureMarks.begin)[0]);
    expect(written.split(captureMarks.end)[1]).toBe(after);
    expect(written).toContain("In dev's terminal:\n\n```text\none\n```\n\nIn prod's terminal:\n\n```text\ntwo\n```\n");
    expect(replaceCapture(written, { dev: "one", prod: "two" })).toBe(written);
    expect(() => replaceCapture("# Another file", { dev: "", prod: "" })).toThrow("no place for the captured screens");
  });
});
