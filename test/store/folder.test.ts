import { chmodSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { homedir } from "node:os";
import { join, resolve } from "node:path";
import { afterEach, describe, expect, it } from "vitest";
import { ensureFolder, homeFolder, writeFileAtomically } from "../../store/folder.ts";
import { stopEverything } from "../support/cleanup.ts";
import { temporaryHome } from "../support/temporary-home.ts";

afterEach(stopEverything);

describe("the home folder", () => {
  it("is ~/.pilink unless PILINK_HOME names another", () => {
    expect(homeFolder({})).toBe(join(homedir(), ".pilink"));
    expect(homeFolder({ PILINK_HOME: "" })).toBe(join(homedir(), ".pilink"));
    expect(homeFolder({ PILINK_HOME: "/somewhere/else" })).toBe(resolve("/somewhere/else"));
    expect(homeFolder({ PILINK_HOME: "relative" })).toBe(resolve("relative"));
  });
});

describe("making a folder", () => {
  it("keeps it, and those above it that it makes, to its owner", async () => {
    const { path } = await temporaryHome();
    ensureFolder(join(path, "a", "b"));
    for (const folder of ["a", join("a", "b")]) expect(statSync(join(path, folder)).mode & 0o777).toBe(0o700);
    chmodSync(join(path, "a"), 0o755);
    ensureFolder(join(path, "a"));
    expect(statSync(join(path, "a")).mode & 0o777).toBe(0o700);
  });

  it("names a path that is no folder, and the way out", async () => {
    const { path } = await temporaryHome();
    writeFileSync(join(path, "file"), "");
    for (const bad of [join(path, "file"), join(path, "file", "below")]) {
      expect(() => ensureFolder(bad)).toThrow(
        expect.objectContaining({ code: "state-unusable", message: expect.stringContaining("PILINK_HOME") }),
      );
    }
  });
});

describe("writing a file", () => {
  it("replaces it as a whole, for its owner only, and leaves nothing else behind", async () => {
    const { path } = await temporaryHome();
    const file = join(path, "record.json");
    await Promise.all(["one", "two", "three"].map((text) => writeFileAtomically(file, text)));
    expect(["one", "two", "three"]).toContain(readFileSync(file, "utf8"));
    await writeFileAtomically(file, "last");
    expect(readFileSync(file, "utf8")).toBe("last");
    expect(statSync(file).mode & 0o777).toBe(0o600);
    expect(readdirSync(path)).toEqual(["record.json"]);
  });

  it("that cannot be written names it", async () => {
    const { path } = await temporaryHome();
    mkdirSync(join(path, "folder"));
    for (const bad of [join(path, "folder"), join(path, "missing", "file")]) {
      await expect(writeFileAtomically(bad, "x")).rejects.toMatchObject({
        code: "state-unusable",
        message: expect.stringContaining(bad),
      });
    }
    expect(readdirSync(path)).toEqual(["folder"]);
  });
});
