import { existsSync } from "node:fs";
import { chmod, mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterEach, expect, it } from "vitest";
import { brokerCommand, ownRuntime, packageVersion, type Runtime } from "../../broker/runtime.ts";
import { stopEverything } from "../support/cleanup.ts";
import { temporaryHome } from "../support/temporary-home.ts";

afterEach(stopEverything);

const here: Runtime = ownRuntime();

/** A package as npm installs it, or as git clones it, with or without its compiled files. */
async function layPackage(folder: string, options: { built: boolean }): Promise<string> {
  const home = await temporaryHome();
  const root = join(home.path, folder);
  await mkdir(join(root, "broker"), { recursive: true });
  await writeFile(join(root, "package.json"), JSON.stringify({ name: "pilink-mqtt", version: "9.9.9" }));
  if (options.built) {
    await mkdir(join(root, "dist", "bundle"), { recursive: true });
    await writeFile(join(root, "dist", "bundle", "broker.js"), "");
  }
  return root;
}

async function makeNode(folder: string, version: string): Promise<string> {
  await mkdir(folder, { recursive: true });
  const path = join(folder, "node");
  await writeFile(path, `#!/bin/sh\necho ${version}\n`);
  await chmod(path, 0o755);
  return path;
}

it("runs the TypeScript of a checkout with this Node", () => {
  const { command, args } = brokerCommand();
  expect(command).toBe(process.execPath);
  const entry = args.at(-1) ?? "";
  expect(entry).toMatch(/broker[\\/]main\.ts$/);
  expect(existsSync(entry)).toBe(true);
});

it("runs the compiled file of an installed package, where Node refuses TypeScript", async () => {
  const root = await layPackage(join("node_modules", "pilink-mqtt"), { built: true });
  const file = join(root, "broker", "runtime.ts");
  expect(brokerCommand({ ...here, file }).args.at(-1)).toBe(join(root, "dist", "bundle", "broker.js"));
});

it.each(["broker/runtime.js", "bundle/managed-1234.js"])(
  "runs the bundle when it is built itself: %s",
  async (built) => {
    const root = await layPackage("somewhere", { built: true });
    await mkdir(join(root, "dist", "broker"));
    const file = join(root, "dist", built);
    expect(brokerCommand({ ...here, file }).args.at(-1)).toBe(join(root, "dist", "bundle", "broker.js"));
  },
);

it("runs the compiled file of a checkout with a Node that knows no TypeScript", async () => {
  const root = await layPackage("clone", { built: true });
  const file = join(root, "broker", "runtime.ts");
  const entry = (nodeVersion: string) => brokerCommand({ ...here, file, nodeVersion }).args.at(-1);
  expect(entry("22.17.1")).toBe(join(root, "dist", "bundle", "broker.js"));
  expect(entry("22.18.0")).toBe(join(root, "broker", "main.ts"));
  expect(entry("24.0.0")).toBe(join(root, "broker", "main.ts"));
});

it("says what is missing where neither can be run", async () => {
  const root = await layPackage(join("node_modules", "pilink-mqtt"), { built: false });
  expect(() => brokerCommand({ ...here, file: join(root, "broker", "runtime.ts") })).toThrow(
    expect.objectContaining({ code: "broker-not-started", message: expect.stringContaining("broker.js is missing") }),
  );
});

it("makes a program compiled by Bun be Bun", () => {
  const found = brokerCommand({ ...here, bun: true, execPath: "/opt/pi/pi" });
  expect(found).toMatchObject({ command: "/opt/pi/pi", env: { BUN_BE_BUN: "1" } });
  expect(found.args).toHaveLength(1);
});

it.each([
  ["a single executable", { singleExecutable: true, execPath: "/opt/pi/node" }],
  ["a program that is not Node", { execPath: "/opt/pi/pi" }],
])("looks for Node on the PATH in %s, and passes over one that is too old", async (_what, parts) => {
  const home = await temporaryHome();
  const [old, fit] = [join(home.path, "old"), join(home.path, "fit")];
  await makeNode(old, "20.19.0");
  const node = await makeNode(fit, "24.1.0");
  expect(brokerCommand({ ...here, ...parts, path: `${old}:${fit}` }).command).toBe(node);
  expect(() => brokerCommand({ ...here, ...parts, path: old })).toThrow(
    expect.objectContaining({ code: "broker-not-started", message: expect.stringContaining("20.19.0") }),
  );
  expect(() => brokerCommand({ ...here, ...parts, path: "" })).toThrow(
    expect.objectContaining({ code: "broker-not-started", message: expect.stringContaining("Install Node") }),
  );
});

it("knows the version of this package", () => {
  expect(packageVersion()).toMatch(/^\d+\.\d+\.\d+/);
});
