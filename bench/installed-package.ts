import { existsSync } from "node:fs";
import { copyFile, cp, mkdir } from "node:fs/promises";
import { join } from "node:path";
import { manifest, npmEnvironment, packTarball, projectFolder, runTool, serveRegistry } from "../test/install/tools.ts";
import { type PiOptions, preparePi } from "../test/support/pi-home.ts";

/** A copy of this package, and how a Pi comes to it. */
export interface PackageCopy {
  subject: string;
  /** What to start a Pi with, besides its home. */
  pi: Pick<PiOptions, "name" | "extensions">;
  /** The file that its broker's process is started with. */
  brokerMain: string;
}

/** This folder, named with `-e`. */
export const checkout: PackageCopy = {
  subject: "pilink, this folder (-e .)",
  pi: { name: "checkout", extensions: [projectFolder] },
  brokerMain: join(projectFolder, "broker", "main.ts"),
};

/**
 * Packs this package and lets a Pi install it from a registry, as a user does.
 *
 * @param home where the Pi and its packages are to be
 * @throws Error of npm or Pi
 */
export async function installPackage(home: string): Promise<PackageCopy> {
  const folder = join(home, "packed");
  await mkdir(folder);
  const npm_config_registry = await serveRegistry(await packTarball(folder));
  const name = "installed";
  const line = await preparePi({ home, name, extensions: [] }, []);
  const { PI_OFFLINE: _, ...settings } = line.env;
  const [pi = ""] = line.args;
  await runTool(line.command, [pi, "install", `npm:${manifest.name}`], {
    cwd: line.cwd,
    env: { ...npmEnvironment(), ...settings, npm_config_registry },
  });
  const place = join(home, "pi-agents", name, "npm", "node_modules", manifest.name);
  const brokerMain = join(place, "dist", "bundle", "broker.js");
  if (!existsSync(brokerMain)) throw new Error(`Pi did not install the package where it was expected: ${place}`);
  return { subject: "pilink, installed (pi install npm:)", pi: { name, extensions: [] }, brokerMain };
}

/**
 * Makes a Pi that has a package of the same size and place installed, whose extension does nothing: what Pi itself
 * takes for a package.
 *
 * @param home where {@link installPackage} installed
 * @param extension the file that takes the extension's place
 * @returns what to start that Pi with
 */
export async function installInstead(home: string, extension: string): Promise<PackageCopy["pi"]> {
  const name = "installed-ten-lines";
  const agents = join(home, "pi-agents");
  await cp(join(agents, "installed"), join(agents, name), { recursive: true });
  const place = join(agents, name, "npm", "node_modules", manifest.name);
  await copyFile(extension, join(place, "extension", "index.ts"));
  return { name, extensions: [] };
}
