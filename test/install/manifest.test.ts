import { existsSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { z } from "zod";
import { manifest, projectFolder } from "./tools.ts";

const dependenciesSchema = z.record(z.string(), z.string());
const packageSchema = z.object({
  keywords: z.array(z.string()),
  engines: z.object({ node: z.string() }),
  pi: z.object({ extensions: z.array(z.string()), skills: z.array(z.string()) }),
  dependencies: dependenciesSchema,
  peerDependencies: dependenciesSchema,
});
const declared = packageSchema.parse(manifest);
const skillPath = join(projectFolder, "skills", "pilink", "SKILL.md");

/** What Pi supplies to extensions, by its page on packages. */
function isOfPi(name: string): boolean {
  return name.startsWith("@earendil-works/pi-") || name === "typebox";
}

describe("package.json", () => {
  test("is a Pi package with an extension and skills, which exist", () => {
    expect(declared.keywords).toContain("pi-package");
    const paths = [...declared.pi.extensions, ...declared.pi.skills];
    expect(paths).toHaveLength(2);
    expect(paths.filter((path) => !existsSync(join(projectFolder, path)))).toEqual([]);
  });

  test("has the packages of Pi as peers of any version, nothing else as a peer, and none of them as its own", () => {
    expect(Object.keys(declared.peerDependencies).filter((name) => !isOfPi(name))).toEqual([]);
    expect(new Set(Object.values(declared.peerDependencies))).toEqual(new Set(["*"]));
    expect(Object.keys(declared.dependencies).filter(isOfPi)).toEqual([]);
  });

  test("asks for what Pi asks for", async () => {
    const pi = join(projectFolder, "node_modules", "@earendil-works", "pi-coding-agent", "package.json");
    const { engines } = z
      .object({ engines: z.object({ node: z.string() }) })
      .parse(JSON.parse(await readFile(pi, "utf8")));
    const numbers = (range: string) => range.match(/\d+/g)?.slice(0, 2);
    expect(numbers(declared.engines.node)).toEqual(numbers(engines.node));
  });
});

test("CHANGELOG.md has a section for this version, in the form that Pi shows", async () => {
  const lines = (await readFile(join(projectFolder, "CHANGELOG.md"), "utf8")).split("\n");
  const start = lines.indexOf(`## [${manifest.version}]`);
  expect(start).toBeGreaterThan(0);
  const rest = lines.slice(start + 1);
  const end = rest.findIndex((line) => line.startsWith("## "));
  expect(rest.slice(0, end < 0 ? undefined : end).join("")).toMatch(/^- \S/);
});

test("the skill has what Pi needs to offer it, is short, and names tools that exist", async () => {
  const text = await readFile(skillPath, "utf8");
  const [, head = "", body = ""] = /^---\n(.*?)\n---\n(.*)$/s.exec(text) ?? [];
  expect(head).toMatch(/^name: pilink$/m);
  expect(/^description: (.+)$/m.exec(head)?.[1]?.length).toBeLessThanOrEqual(1_024);
  expect(body.length).toBeLessThan(3_000);
  const sources = await Promise.all(
    ["peer/model-tools.ts", "mcp/tools.ts"].map((path) => readFile(join(projectFolder, path), "utf8")),
  );
  const tools = new Set(sources.join().match(/(?<=")pilink_\w+(?=",)/g));
  expect(new Set(body.match(/pilink_\w+/g))).toEqual(tools);
});
