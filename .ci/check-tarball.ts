import { execFileSync } from "node:child_process";
import { z } from "zod";

// node .ci/check-tarball.ts [TARBALL]: holds what would be published, or a packed tarball, against what a user needs.

// Most of it is the bundle, with the packages that are in it.
const sizeLimitBytes = 6 * 1024 * 1024;
const needed = [
  "package.json",
  "README.md",
  "LICENSE",
  "CHANGELOG.md",
  "topics.md",
  "extension/index.ts",
  "skills/pilink/SKILL.md",
  "peer/network.ts",
  "protocol/envelope.ts",
  "store/lock.ts",
  "broker/managed.ts",
  "cli/pilink.js",
  // Node runs no TypeScript below node_modules: this is what runs there.
  "dist/bundle/extension.json",
  "dist/bundle/broker.js",
  "dist/bundle/cli.js",
  "dist/bundle/background.js",
  "dist/bundle/licences.txt",
  "dist/library/index.js",
  "dist/library/index.d.ts",
  "docker-compose.yml",
  "docker-compose.tls.yml",
  ".env.example",
  "broker/mosquitto/config/mosquitto.conf",
];
const allowed = [
  /^(extension|library|cli|mcp|peer|protocol|store|broker)\/[\w/-]+\.ts$/,
  /^dist\/(library|peer|protocol|store|broker)\/[\w/-]+\.(js|js\.map|d\.ts)$/,
  /^dist\/bundle\/(broker|cli|background|[\w-]+-[\w-]{8})\.(js|js\.map)$/,
  /^skills\/pilink\/SKILL\.md$/,
  /^broker\/mosquitto\/([\w/-]+\.(conf|acl)|README\.md)$/,
];

const [tarball] = process.argv.slice(2);
const command = ["pack", ...(tarball === undefined ? [] : [tarball]), "--dry-run", "--json", "--ignore-scripts"];
const packed = z
  .array(z.object({ unpackedSize: z.number(), files: z.array(z.object({ path: z.string() })) }))
  .length(1)
  .parse(JSON.parse(execFileSync("npm", command, { encoding: "utf8", stdio: ["ignore", "pipe", "ignore"] })));

const faults: string[] = [];
for (const { files, unpackedSize } of packed) {
  const paths = new Set(files.map((file) => file.path));
  for (const path of needed) if (!paths.has(path)) faults.push(`missing: ${path}`);
  for (const path of paths) {
    const source = /^dist\/(?!bundle\/)(.+)\.(js|js\.map|d\.ts)$/.exec(path)?.[1];
    if (source !== undefined && !paths.has(`${source}.ts`)) faults.push(`without its source: ${path}`);
    if (!needed.includes(path) && !allowed.some((pattern) => pattern.test(path))) faults.push(`unwanted: ${path}`);
  }
  if (unpackedSize > sizeLimitBytes) faults.push(`too big: ${unpackedSize} bytes, ${sizeLimitBytes} are the limit`);
  console.log(`tarball: ${paths.size} files, ${unpackedSize} bytes unpacked`);
}
for (const fault of faults) console.error(fault);
process.exitCode = faults.length === 0 ? 0 : 1;
