import { chmod, copyFile, cp, mkdir, readdir, realpath, writeFile } from "node:fs/promises";
import { findPackageJSON } from "node:module";
import { dirname, join } from "node:path";
import { messageOf } from "../../protocol/errors.ts";
import { npmInstall, runTool } from "./tools.ts";

const bunPackage = "bun@1.4.5";
const injectorPackage = "postject@1.0.0-alpha.6";
// The mark in Node's executable that says where its program is; the same in every Node.
const fuse = "NODE_SEA_FUSE_fce680ab2cc467b6e072b8b5df1996b2";

/** A runtime that the tests need, or why this machine cannot have it. */
export type Found = { path: string; missing?: never } | { path?: never; missing: string };

/**
 * Gets Bun from the registry. Its executable is in a package for each platform; no script of it is run.
 *
 * @param folder an empty one, to install into
 * @throws Error where it cannot be installed and PILINK_REQUIRE_BROKERS is 1
 */
export async function findBun(folder: string): Promise<Found> {
  try {
    await installAside(folder, bunPackage);
    const scope = join(folder, "node_modules", "@oven");
    const [platform] = await readdir(scope);
    if (platform === undefined) return { missing: `there is no Bun for ${process.platform} ${process.arch}` };
    const path = join(scope, platform, "bin", process.platform === "win32" ? "bun.exe" : "bun");
    await runTool(path, ["--version"], { cwd: folder });
    return { path };
  } catch (error) {
    return withheld(`Bun cannot be installed: ${messageOf(error)}`);
  }
}

/** The folder of the Pi that this project is tested with. */
export function piFolder(): string {
  const manifest = findPackageJSON("@earendil-works/pi-coding-agent", import.meta.url);
  if (manifest === undefined) throw new Error("Pi is not installed: run npm ci.");
  return dirname(manifest);
}

/**
 * Compiles Pi with Bun into one executable, as its own `build:binary` does for a release.
 *
 * @param bun Bun's executable
 * @param folder where to put the executable and the files that belong beside it
 * @returns the executable
 */
export async function compilePi(bun: string, folder: string): Promise<string> {
  const dist = join(piFolder(), "dist");
  await mkdir(folder, { recursive: true });
  const program = join(folder, "pi");
  const sources = [join(dist, "bun", "cli.js"), join(dist, "utils", "image-resize-worker.js")];
  const options = ["build", "--compile", "--no-compile-autoload-bunfig"];
  await runTool(bun, [...options, ...sources, "--outfile", program], { cwd: folder });
  await copyFile(join(piFolder(), "package.json"), join(folder, "package.json"));
  for (const part of ["theme", "assets"]) {
    await cp(join(dist, "modes", "interactive", part), join(folder, part), { recursive: true });
  }
  return program;
}

/**
 * Makes a Node single executable of a program.
 *
 * @param folder an empty one, to work in
 * @param script the program, one CommonJS file
 * @throws Error where it cannot be made, or what makes it cannot be installed and PILINK_REQUIRE_BROKERS is 1
 */
export async function makeSingleExecutable(folder: string, script: string): Promise<Found> {
  // Elsewhere the changed program would have to be signed again.
  if (process.platform !== "linux") return { missing: "a Node single executable is made on Linux only" };
  try {
    await installAside(folder, injectorPackage);
  } catch (error) {
    return withheld(`postject cannot be installed: ${messageOf(error)}`);
  }
  const program = join(folder, "pi");
  await writeFile(join(folder, "main.cjs"), script);
  const settings = { main: "main.cjs", output: "program.blob", disableExperimentalSEAWarning: true };
  await writeFile(join(folder, "sea.json"), JSON.stringify(settings));
  await runTool(process.execPath, ["--experimental-sea-config", "sea.json"], { cwd: folder });
  await copyFile(await realpath(process.execPath), program);
  await chmod(program, 0o755);
  const injector = join(folder, "node_modules", "postject", "dist", "cli.js");
  await runTool(process.execPath, [injector, program, "NODE_SEA_BLOB", "program.blob", "--sentinel-fuse", fuse], {
    cwd: folder,
  });
  return { path: program };
}

async function installAside(folder: string, name: string): Promise<void> {
  await mkdir(folder, { recursive: true });
  await writeFile(join(folder, "package.json"), "{}");
  await npmInstall(folder, ["--ignore-scripts", name]);
}

/** What the machine could have, but has not: a failure where everything is required. */
function withheld(reason: string): Found {
  if (process.env.PILINK_REQUIRE_BROKERS === "1") throw new Error(reason);
  return { missing: reason };
}
