import { execFile } from "node:child_process";
import { readFile } from "node:fs/promises";
import { cpus, release, type as systemName, totalmem } from "node:os";
import { promisify } from "node:util";
import { packageVersion } from "../broker/runtime.ts";
import { findMosquitto, findNats } from "../test/support/brokers.ts";

/** What the figures were measured on. */
export interface Machine {
  cpu: string;
  cores: number;
  memoryMB: number;
  os: string;
  node: string;
  pilink: string;
  /** Undefined where it is not installed. */
  mosquitto: string | undefined;
  nats: string | undefined;
}

/** Describes the machine that this runs on. */
export async function describeMachine(): Promise<Machine> {
  const [first] = cpus();
  return {
    cpu: first?.model.trim() ?? "unknown",
    cores: cpus().length,
    memoryMB: Math.round(totalmem() / 1024 / 1024),
    os: await describeSystem(),
    node: process.version,
    pilink: packageVersion(),
    mosquitto: await versionOf(findMosquitto(), ["-h"]),
    nats: await versionOf(findNats(), ["--version"]),
  };
}

/** The machine in one line of text for each thing. */
export function machineLines(machine: Machine): string[] {
  return [
    `${machine.cpu}, ${machine.cores} cores, ${machine.memoryMB} MB of memory, ${machine.os}`,
    `Node ${machine.node}, pilink ${machine.pilink}, Mosquitto ${machine.mosquitto ?? "not installed"}, NATS ${machine.nats ?? "not installed"}`,
  ];
}

async function describeSystem(): Promise<string> {
  const kernel = `${systemName()} ${release()}`;
  const text = await readFile("/etc/os-release", "utf8").catch(() => "");
  const name = /^PRETTY_NAME="(.*)"$/m.exec(text)?.[1];
  return name === undefined ? kernel : `${name} (${kernel})`;
}

async function versionOf(program: string | undefined, args: string[]): Promise<string | undefined> {
  if (program === undefined) return undefined;
  // Mosquitto 2.0 ends with 3 after it said how it is used.
  const output = await promisify(execFile)(program, args).catch((failure: unknown) => failure);
  const text = typeof output === "object" && output !== null && "stdout" in output ? String(output.stdout) : "";
  return /\d+\.\d+\.\d+\S*/.exec(text)?.[0] ?? "unknown";
}
