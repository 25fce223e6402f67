import { execFileSync } from "node:child_process";
import { z } from "zod";

const sizeLimitBytes = 2 * 1024 * 1024;
const needed = [
  "package.json",
  "README.md",
  "LICENSE",
  "CHANGELOG.md",
  "topics.md",
  "extension/index.ts",
  "peer/network.ts",
  "protocol/envelope.ts",
  "store/lock.ts",
  "broker/managed.ts",
  "dist/broker/main.js",
];
const unwanted = [/^test\//, /^demo\//, /^\.ci\//, /\.test\./, /^\.(npmrc|gitignore)$/, /\.tsbuildinfo$/];

const packed = z
  .array(z.object({ unpackedSize: z.number(), files: z.array(z.object({ path: z.string() })) }))
  .length(1)
  .parse(JSON.parse(execFileSync("npm", ["pack", "--dry-run", "--json", "--ignore-scripts"], { encoding: "utf8" })));

const faults: string[] = [];
for (const { files, unpackedSize } of packed) {
  const paths = new Set(files.map((file) => file.path));
  for (const path of needed) if (!paths.has(path)) faults.push(`missing: ${path}`);
  for (const path of paths) if (unwanted.some((pattern) => pattern.test(path))) faults.push(`unwanted: ${path}`);
  if (unpackedSize > sizeLimitBytes) faults.push(`too big: ${unpackedSize} bytes, ${sizeLimitBytes} are the limit`);
  console.log(`tarball: ${paths.size} files, ${unpackedSize} bytes unpacked`);
}
for (const fault of faults) console.error(fault);
process.exitCode = faults.length === 0 ? 0 : 1;
