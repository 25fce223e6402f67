import { execFile, execFileSync } from "node:child_process";
import { once } from "node:events";
import { cp, mkdir, readFile, symlink } from "node:fs/promises";
import { createServer } from "node:http";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { z } from "zod";
import { onCleanup } from "../support/cleanup.ts";
import { listen } from "../support/network.ts";

/** The folder of this project. */
export const projectFolder = fileURLToPath(new URL("../..", import.meta.url));

/** This package's package.json. */
export const manifest = z
  .looseObject({ name: z.string(), version: z.string() })
  .parse(JSON.parse(await readFile(join(projectFolder, "package.json"), "utf8")));

/**
 * Runs a program to its end.
 *
 * @returns its standard output
 * @throws Error with what it wrote, where it fails or takes longer than a minute
 */
export async function runTool(
  command: string,
  args: string[],
  options: { cwd: string; env?: Record<string, string> },
): Promise<string> {
  const { stdout } = await promisify(execFile)(command, args, {
    cwd: options.cwd,
    env: { ...npmEnvironment(), ...options.env },
    timeout: 60_000,
    maxBuffer: 16 * 1024 * 1024,
  });
  return stdout;
}

/** Installs packages into a folder as a user without this project's npm settings would, from the cache if it can. */
export async function npmInstall(folder: string, args: string[]): Promise<void> {
  await runTool("npm", ["install", "--prefer-offline", "--no-audit", "--no-fund", ...args], { cwd: folder });
}

/**
 * Makes the tarball that `npm publish` would upload, in a copy of this project: packing builds `dist` anew, which is
 * not to happen under the feet of other tests.
 *
 * @param folder an existing one, to work in
 * @returns the path of the tarball
 */
export async function packTarball(folder: string): Promise<string> {
  const copy = join(folder, "project");
  const listed = await runTool("git", ["ls-files", "-z", "--cached", "--others", "--exclude-standard"], {
    cwd: projectFolder,
  });
  for (const path of listed.split("\0").filter((name) => name !== "")) {
    await mkdir(join(copy, dirname(path)), { recursive: true });
    await cp(join(projectFolder, path), join(copy, path));
  }
  await symlink(join(projectFolder, "node_modules"), join(copy, "node_modules"));
  await runTool("npm", ["pack", "--pack-destination", folder], { cwd: copy });
  return join(folder, `${manifest.name}-${manifest.version}.tgz`);
}

/**
 * Serves this package as the registry would, and hands every other package on to the registry that npm is set to.
 *
 * @param tarball the packed package
 * @returns the URL of the registry
 */
export async function serveRegistry(tarball: string): Promise<string> {
  const upstream = npmSetting("registry").replace(/\/$/, "");
  const packed = await readFile(tarball);
  const server = createServer(({ url = "" }, response) => {
    if (url === `/${manifest.name}`) {
      const version = { ...manifest, dist: { tarball: `http://127.0.0.1:${port}/package.tgz` } };
      const versions = { [manifest.version]: version };
      response.setHeader("content-type", "application/json");
      response.end(JSON.stringify({ name: manifest.name, "dist-tags": { latest: manifest.version }, versions }));
    } else if (url === "/package.tgz") {
      response.end(packed);
    } else {
      response.writeHead(307, { location: upstream + url }).end();
    }
  });
  const port = await listen(server);
  const forget = onCleanup(async () => {
    forget();
    server.closeAllConnections();
    server.close();
    await once(server, "close");
  });
  return `http://127.0.0.1:${port}/`;
}

/**
 * The environment of a user, for npm and whatever runs it: without the settings that npm gives to the scripts it runs,
 * which would make another npm work in this project, but with those of the person: registry, cache, certificates.
 */
export function npmEnvironment(): Record<string, string> {
  const environment: Record<string, string> = {};
  for (const [name, value] of Object.entries(process.env)) {
    if (value !== undefined && !/^(npm_|NODE_OPTIONS|PILINK_|PI_|VITEST|NODE_ENV)/i.test(name))
      environment[name] = value;
  }
  return {
    ...environment,
    npm_config_registry: npmSetting("registry"),
    npm_config_cache: npmSetting("cache"),
    npm_config_userconfig: npmSetting("userconfig"),
    npm_config_prefer_offline: "true",
    npm_config_update_notifier: "false",
  };
}

function npmSetting(name: string): string {
  return process.env[`npm_config_${name}`] ?? execFileSync("npm", ["config", "get", name], { encoding: "utf8" }).trim();
}
