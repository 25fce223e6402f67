import {
  appendFileSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { describe, expect, it, onTestFinished } from "vitest";
import { z } from "zod";
import { openJournal } from "../../store/journal.ts";

const lineSchema = z.object({ text: z.string() });

function makeFile(): string {
  const folder = mkdtempSync(join(tmpdir(), "pilink-journal-"));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  return join(folder, "inbox.jsonl");
}

describe("a journal", () => {
  it("gives back what was added, and only its owner can read it", async () => {
    const path = makeFile();
    const { journal, lines } = openJournal(path, lineSchema);
    expect(lines).toEqual([]);
    journal.append({ text: "one" });
    journal.append({ text: "zwei\nüber" });
    await journal.flush();
    journal.close();
    expect(statSync(path).mode & 0o777).toBe(0o600);
    expect(openJournal(path, lineSchema).lines).toEqual([{ text: "one" }, { text: "zwei\nüber" }]);
  });

  it("keeps whole lines, wherever a crash has cut the file", () => {
    const texts = fc.array(fc.string({ unit: "grapheme", maxLength: 12 }), { minLength: 1, maxLength: 8 });
    const path = makeFile();
    fc.assert(
      fc.property(texts, fc.double({ min: 0, max: 1, noNaN: true }), (all, part) => {
        rmSync(path, { force: true });
        const written = openJournal(path, lineSchema).journal;
        for (const text of all) written.append({ text });
        written.close();
        truncateSync(path, Math.floor(statSync(path).size * part));
        const again = openJournal(path, lineSchema);
        expect(again.damaged).toBe(0);
        expect(again.lines).toEqual(all.slice(0, again.lines.length).map((text) => ({ text })));
        again.journal.append({ text: "after" });
        again.journal.close();
        expect(openJournal(path, lineSchema).lines).toEqual([...again.lines, { text: "after" }]);
      }),
      { numRuns: 60 },
    );
  });

  it("leaves damaged lines out, and keeps the file as it was beside it", () => {
    const path = makeFile();
    const before = '{"text":"one"}\nno json at all\n{"text":2}\n{"text":"four"}\n';
    writeFileSync(path, before);
    const { lines, damaged, damagedPath, journal } = openJournal(path, lineSchema);
    journal.close();
    expect({ lines, damaged }).toEqual({ lines: [{ text: "one" }, { text: "four" }], damaged: 2 });
    expect(readFileSync(damagedPath ?? "", "utf8")).toBe(before);
    expect(readFileSync(path, "utf8")).toBe('{"text":"one"}\n{"text":"four"}\n');
  });

  it("is replaced in one step, and goes on where it was replaced", () => {
    const path = makeFile();
    const { journal } = openJournal(path, lineSchema);
    for (const text of ["one", "two", "three"]) journal.append({ text });
    journal.rewrite([{ text: "three" }]);
    journal.append({ text: "four" });
    journal.close();
    expect(openJournal(path, lineSchema).lines).toEqual([{ text: "three" }, { text: "four" }]);
    expect(readdirSync(join(path, ".."))).toEqual(["inbox.jsonl"]);
  });

  it("writes what was noted with the next line, when it is flushed or closed, and at the end of the turn", async () => {
    const path = makeFile();
    const texts = () => openJournal(path, lineSchema).lines.map(({ text }) => text);
    const { journal } = openJournal(path, lineSchema);
    journal.note({ text: "one" });
    journal.note({ text: "two" });
    expect(texts()).toEqual([]);
    journal.append({ text: "three" });
    expect(texts()).toEqual(["one", "two", "three"]);
    journal.note({ text: "four" });
    await new Promise((resolve) => setImmediate(() => setImmediate(resolve)));
    expect(texts()).toHaveLength(4);
    journal.note({ text: "five" });
    await journal.flush();
    expect(texts()).toHaveLength(5);
    journal.note({ text: "six" });
    journal.close();
    expect(texts()).toEqual(["one", "two", "three", "four", "five", "six"]);
  });

  it("says what cannot be read or written", () => {
    const path = makeFile();
    const { journal } = openJournal(path, lineSchema);
    journal.close();
    expect(() => journal.append({ text: "late" })).toThrow(expect.objectContaining({ code: "state-unusable" }));
    expect(() => openJournal(join(path, "below"), lineSchema)).toThrow(
      expect.objectContaining({ code: "state-unusable" }),
    );
  });

  it("is flushed once for all who ask meanwhile", async () => {
    const path = makeFile();
    const { journal } = openJournal(path, lineSchema);
    for (let count = 0; count < 50; count += 1) journal.append({ text: String(count) });
    await Promise.all(Array.from({ length: 50 }, () => journal.flush()));
    journal.close();
    await journal.flush();
    appendFileSync(path, "");
    expect(openJournal(path, lineSchema).lines).toHaveLength(50);
  });
});
