#!/usr/bin/env node
import { existsSync } from "node:fs";
import module from "node:module";
import { homedir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

// This file is for every Node that knows `import`, also for those that the rest cannot run on.

const oldest = [22, 19];
const [major = 0, minor = 0] = process.versions.node.split(".").map(Number);

if (process.versions.bun === undefined && (major < oldest[0] || (major === oldest[0] && minor < oldest[1]))) {
  console.error(
    `pilink needs Node ${oldest.join(".")} or newer; this is ${process.versions.node} (${process.execPath}). Install a newer one, for example from https://nodejs.org.`,
  );
  process.exit(1);
}

// Node refuses to strip types below node_modules; a clone has no build that is sure to be of its sources.
const folder = fileURLToPath(new URL(".", import.meta.url));
const isInstalled = /[\\/]node_modules[\\/]/.test(folder);
const built = new URL("../dist/bundle/cli.js", import.meta.url);

if (isInstalled && process.versions.bun === undefined) {
  if (!existsSync(built)) {
    console.error(`${fileURLToPath(built)} is missing. Install pilink-mqtt again.`);
    process.exit(1);
  }
  // Where the managed broker keeps its compiled code there is room for this as well; see broker/start.ts.
  const compiled = join(process.env.PILINK_HOME || join(homedir(), ".pilink"), "broker", "compiled");
  if (existsSync(compiled)) module.enableCompileCache(compiled);
  await import(built.href);
} else {
  // Node 22 calls it experimental, at each start; what is meant for the person would drown in it.
  const { emitWarning } = process;
  process.emitWarning = (warning, ...rest) => {
    if (rest[0] !== "ExperimentalWarning") Reflect.apply(emitWarning, process, [warning, ...rest]);
  };
  await import(new URL("main.ts", import.meta.url).href);
}
