import {
  appendFileSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  truncateSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { describe, expect, it, onTestFinished } from "vitest";
import { PilinkError } from "../../protocol/errors.ts";
import { isRolled, RollingFile, type RollingLimits } from "../../store/rolling-file.ts";

const small: RollingLimits = { fileBytes: 40, keptFiles: 2 };

function makeFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), "pilink-rolling-"));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

function makeFile(folder: string, limits = small): RollingFile {
  const file = new RollingFile(join(folder, "audit.jsonl"), limits);
  onTestFinished(() => file.close());
  return file;
}

describe("a rolling file", () => {
  it("is readable by its owner only, and written from its end on when it is opened again", () => {
    const folder = makeFolder();
    const path = join(folder, "audit.jsonl");
    const file = makeFile(folder);
    file.append("one\n");
    expect(statSync(path).mode & 0o777).toBe(0o600);
    file.close();
    file.close();
    file.append("two\n");
    makeFile(folder).append("three\n");
    expect(readFileSync(path, "utf8")).toBe("one\ntwo\nthree\n");
  });

  it("keeps so many files of such a size, and drops the oldest", () => {
    const folder = makeFolder();
    const file = makeFile(folder);
    for (let number = 10; number < 30; number += 1) file.append(`this is line ${number}\n`);
    const names = ["audit.2.jsonl", "audit.1.jsonl", "audit.jsonl"];
    expect(readdirSync(folder).sort()).toEqual([...names].sort());
    const texts = names.map((name) => readFileSync(join(folder, name), "utf8"));
    for (const text of texts) expect(text.length).toBeLessThanOrEqual(small.fileBytes);
    expect(texts.join("").match(/\d+/g)).toEqual(["24", "25", "26", "27", "28", "29"]);
  });

  it("takes a line that is larger than a file may be", () => {
    const folder = makeFolder();
    const file = makeFile(folder);
    const long = `${"x".repeat(100)}\n`;
    file.append("before\n");
    file.append(long);
    file.append("after\n");
    expect(readFileSync(join(folder, "audit.1.jsonl"), "utf8")).toBe(long);
    expect(readFileSync(join(folder, "audit.jsonl"), "utf8")).toBe("after\n");
  });

  it("goes on behind the last whole line, wherever a crash has cut it", () => {
    const folder = makeFolder();
    const path = join(folder, "audit.jsonl");
    // Longer than what is looked at in one step.
    const texts = fc.array(fc.integer({ min: 0, max: 150_000 }), { minLength: 1, maxLength: 3 });
    fc.assert(
      fc.property(texts, fc.double({ min: 0, max: 1, noNaN: true }), (lengths, part) => {
        rmSync(path, { force: true });
        const file = new RollingFile(path, { fileBytes: 10_000_000, keptFiles: 1 });
        for (const length of lengths) file.append(`${"x".repeat(length)}\n`);
        file.close();
        truncateSync(path, Math.floor(statSync(path).size * part));
        const cut = readFileSync(path, "utf8");
        const whole = cut.slice(0, cut.lastIndexOf("\n") + 1);
        file.append("after\n");
        file.close();
        expect(readFileSync(path, "utf8")).toBe(`${whole}after\n`);
      }),
      { numRuns: 40 },
    );
  });

  it("goes on behind the last line where a power cut left zeros after it", () => {
    const folder = makeFolder();
    const path = join(folder, "audit.jsonl");
    appendFileSync(path, `one\n${"\0".repeat(5_000)}`);
    makeFile(folder).append("two\n");
    expect(readFileSync(path, "utf8")).toBe("one\ntwo\n");
  });

  it.runIf(process.platform === "linux")(
    "refuses what a full disk does not take, and tries again with the next",
    () => {
      const folder = makeFolder();
      const path = join(folder, "audit.jsonl");
      symlinkSync("/dev/full", path);
      const file = makeFile(folder);
      for (let tries = 0; tries < 2; tries += 1) {
        expect(() => file.append("one\n")).toThrow(expect.objectContaining({ code: "state-unusable", value: path }));
      }
      expect(() => file.append("one\n")).toThrow(PilinkError);
      rmSync(path);
      file.append("two\n");
      expect(readFileSync(path, "utf8")).toBe("two\n");
    },
  );

  it.each([
    ["audit.jsonl", true],
    ["audit.1.jsonl", true],
    ["audit.12.jsonl", true],
    ["audit.0.jsonl", false],
    ["audit.1.2.jsonl", false],
    ["audit.jsonl.1-ab.tmp", false],
    ["auditor.jsonl", false],
    ["inbox.jsonl", false],
  ])("knows its files: %s is one: %s", (name, expected) => {
    expect(isRolled(name, "audit.jsonl")).toBe(expected);
  });
});
