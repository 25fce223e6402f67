import { accessSync, constants } from "node:fs";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import { fileURLToPath } from "node:url";
import type { BackgroundArguments } from "../../broker/background.ts";
import { type EmbeddedBroker, type EmbeddedBrokerOptions, startEmbeddedBroker } from "../../broker/embedded.ts";
import { defaultPacketLimitBytes } from "../../broker/guard.ts";
import { runBroker, type TestBroker } from "./broker-process.ts";
import { onCleanup } from "./cleanup.ts";
import { freePort } from "./network.ts";

/** Options of {@link startMosquitto}. */
export interface MosquittoOptions {
  /** Lines to add to the generated configuration. */
  config?: string;
  /** A free one unless given. */
  port?: number;
  /** Keep retained messages, sessions and queues over SIGKILL and restart; true unless given. */
  persistence?: boolean;
}

/** The path of the installed Mosquitto, or undefined. */
export function findMosquitto(): string | undefined {
  return findProgram("mosquitto");
}

/** The path of the installed NATS, or undefined. */
export function findNats(): string | undefined {
  return findProgram("nats-server");
}

function findProgram(name: string): string | undefined {
  // Debian installs servers where a user's PATH does not look.
  const folders = [...(process.env.PATH ?? "").split(delimiter), "/usr/sbin", "/usr/local/sbin", "/opt/homebrew/sbin"];
  return folders.map((folder) => join(folder, name)).find(isExecutable);
}

/** Whether {@link startMosquitto} can work on this machine. */
export function mosquittoInstalled(): boolean {
  return findMosquitto() !== undefined;
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

/**
 * Starts a Mosquitto that anybody on this machine may use.
 *
 * @throws Error where it is not installed, or with its log where it does not start
 */
export async function startMosquitto(options: MosquittoOptions = {}): Promise<TestBroker> {
  const command = findMosquitto();
  if (command === undefined) throw new Error("Mosquitto is not installed; on Debian: apt-get install mosquitto.");
  const port = options.port ?? (await freePort());
  const folder = await temporaryFolder("mosquitto");
  const data = join(folder, "data");
  await mkdir(data);
  const configPath = join(folder, "mosquitto.conf");
  await writeFile(configPath, mosquittoConfig(options, port, data));
  return runBroker({
    name: "Mosquitto",
    port,
    command,
    args: ["-c", configPath],
    ready: /mosquitto version .* running/,
    data,
  });
}

function mosquittoConfig({ config = "", persistence = true }: MosquittoOptions, port: number, data: string): string {
  const lines = [
    `listener ${port} 127.0.0.1`,
    "allow_anonymous true",
    // The default of 1,000 drops what exceeds it, also for connected subscribers.
    "max_queued_messages 100000",
    "set_tcp_nodelay true",
    "log_dest stderr",
    "log_type all",
    // Started by root it would otherwise become the user mosquitto, who may not write to the folder.
    ...(process.getuid?.() === 0 ? ["user root"] : []),
    ...(persistence
      ? ["persistence true", `persistence_location ${data}/`, "autosave_interval 1", "autosave_on_changes true"]
      : ["persistence false"]),
    config,
  ];
  return `${lines.join("\n")}\n`;
}

/**
 * Starts a NATS server with JetStream, which its MQTT needs, that anybody on this machine may use.
 *
 * @param options the port of MQTT is a free one unless given
 * @throws Error where it is not installed, or with its log where it does not start
 */
export async function startNats(options: { port?: number } = {}): Promise<TestBroker> {
  const command = findNats();
  if (command === undefined) throw new Error("NATS is not installed; on Debian: apt-get install nats-server.");
  const port = options.port ?? (await freePort());
  const folder = await temporaryFolder("nats");
  const data = join(folder, "data");
  await mkdir(data);
  const configPath = join(folder, "nats.conf");
  await writeFile(configPath, natsConfig(port, data));
  return runBroker({
    name: "NATS",
    port,
    command,
    args: ["-c", configPath],
    ready: /Server is ready/,
    data,
    // It cuts 1.5 keepalives down to whole seconds: one of 1 s ends a connection after 1 s, when the ping is just due.
    shortestKeepaliveMs: 2_000,
  });
}

function natsConfig(port: number, data: string): string {
  const lines = [
    // MQTT sessions are kept under the name of the server.
    'server_name: "pilink-test"',
    // The port of NATS itself, which nobody here uses: any free one.
    "listen: 127.0.0.1:-1",
    `jetstream { store_dir: ${JSON.stringify(data)} }`,
    `mqtt { listen: "127.0.0.1:${port}" }`,
  ];
  return `${lines.join("\n")}\n`;
}

/**
 * Starts the managed broker inside this process; `stopEverything()` ends it.
 *
 * @param options of the managed broker
 */
export async function startManagedBrokerHere(options: EmbeddedBrokerOptions = {}): Promise<EmbeddedBroker> {
  const broker = await startEmbeddedBroker(options);
  onCleanup(() => broker.close());
  return broker;
}

/**
 * Starts the managed broker in a process of its own, as a Pi would, but ended together with the test.
 *
 * @param options `home` is its state folder, a fresh one unless given; the port is a free one unless given
 */
export async function startManagedBroker(options: Partial<BackgroundArguments> = {}): Promise<TestBroker> {
  const port = options.port || (await freePort());
  const home = options.home ?? (await temporaryFolder("managed"));
  const argument: BackgroundArguments = {
    host: "127.0.0.1",
    local: false,
    version: "0.0.0-test",
    idleMs: 600_000,
    packetLimitBytes: defaultPacketLimitBytes,
    ...options,
    home,
    port,
  };
  const main = fileURLToPath(new URL("../../broker/main.ts", import.meta.url));
  const args = [main, JSON.stringify(argument)];
  return runBroker({ name: "managed broker", port, command: process.execPath, args, ready: /"ready":true/ });
}

async function temporaryFolder(purpose: string): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), `pilink-${purpose}-`));
  onCleanup(() => rm(folder, { recursive: true, force: true }));
  return folder;
}
