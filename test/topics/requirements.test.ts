import { globSync, readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { citationsIn, readTopicsPage, requirementsOf, sectionsOf } from "./document.ts";

const root = new URL("../../", import.meta.url).pathname;
const page = readTopicsPage();
const requirements = requirementsOf(page);
const known = new Set(requirements.map(({ id }) => id));

/** The files that match, each with its text. */
function read(patterns: string[]): { path: string; text: string }[] {
  return globSync(patterns, { cwd: root }).map((path) => ({ path, text: readFileSync(`${root}${path}`, "utf8") }));
}

describe("the numbered requirements of topics.md", () => {
  it("have each number once, counted up in their area", () => {
    const next = new Map<string, number>();
    for (const { id } of requirements) {
      const [area = "", number] = id.split("-");
      const expected = (next.get(area) ?? 0) + 1;
      next.set(area, expected);
      expect(Number(number), id).toBe(expected);
    }
    expect(requirements.length).toBeGreaterThan(80);
  });

  it("say MUST or SHOULD, in one line", () => {
    for (const { id, text } of requirements) expect(text, id).toMatch(/\b(MUST|SHOULD)\b.*\.$/);
    const marks = [...page.matchAll(/^\s*(?:- )?\*\*\[/gm)];
    expect(marks.length).toBe(requirements.length);
  });

  it("are each cited by a test", () => {
    const cited = new Set(read(["test/**/*.test.ts"]).flatMap(({ text }) => citationsIn(text)));
    const uncited = requirements.filter(({ id }) => !cited.has(id));
    expect(uncited.map(({ id, text }) => `[${id}] ${text}`)).toEqual([]);
  });

  it("exist where one is cited", () => {
    const files = read(["*.md", "{protocol,broker,peer,store,extension,demo,test,docs}/**/*.{ts,md}"]);
    const unknown = files.flatMap(({ path, text }) =>
      citationsIn(text)
        .filter((id) => !known.has(id))
        .map((id) => `${path}: [${id}]`),
    );
    expect(unknown).toEqual([]);
  });
});

describe("references to topics.md", () => {
  it("name sections that it has", () => {
    const headings = new Set(sectionsOf(page).map(({ heading }) => heading));
    const sources = read(["{protocol,broker,peer,store,extension,demo}/**/*.ts"]);
    const quoted = sources.flatMap(({ path, text }) =>
      [...text.matchAll(/topics\.md,\s+(?:"([^"]+)"|`([^`]+)`)/g)].map((match) => ({
        path,
        heading: match[1] ?? match[2] ?? "",
      })),
    );
    expect(quoted.length).toBeGreaterThan(5);
    for (const { path, heading } of quoted) expect(headings, path).toContain(heading);
  });

  it("inside the page name sections that it has", () => {
    const headings = new Set(sectionsOf(page).map(({ heading }) => heading));
    const inside = [...page.matchAll(/(?:see|of|in) "([A-Z][^"]+)"/g)].map((match) => match[1] ?? "");
    expect(inside.length).toBeGreaterThan(2);
    for (const heading of inside) expect(headings).toContain(heading);
  });
});
