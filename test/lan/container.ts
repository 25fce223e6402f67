import { spawn } from "node:child_process";
import { chown, cp, lchown, mkdir, readdir, readFile, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { fileURLToPath } from "node:url";
import { freePort } from "../support/network.ts";
import { temporaryHome } from "../support/temporary-home.ts";
import type { Service } from "./compose.ts";

/** What a command said. */
export interface Said {
  /** Its exit code; 137 if it was killed when its time was up, as Docker has it. */
  code: number;
  output: string;
}

/** A folder that stands for the file system of a container, and programs of this machine that run as if inside of it. */
export interface Container {
  /** Where a path of the container lies on this machine. */
  path(inside: string): string;
  /** The port of this machine that stands for one of the container. */
  port(inside: number): number;
  /** A command line with its paths and the ports that it names replaced, run as the container's user. */
  commandLine(command: readonly string[]): { command: string; args: string[] };
  /** Runs a command to its end. */
  run(command: readonly string[], options?: { input?: string; timeoutMs?: number; service?: Service }): Promise<Said>;
}

const projectRoot = fileURLToPath(new URL("../../", import.meta.url));
const portsInside = [1883, 8883, 9001] as const;

/**
 * Lays out what a service mounts in a fresh folder. Bind mounts are copied, with nothing changed but paths and ports:
 * a path of the container gets the folder before it, a port becomes a free one of 127.0.0.1.
 *
 * @param service as the compose file has it
 * @param replaced contents for mounts whose files are not in the project, by target: a folder to copy
 */
export async function layOut(service: Service, replaced: Readonly<Record<string, string>> = {}): Promise<Container> {
  const home = await temporaryHome();
  const root = join(home.path, "container");
  const ports = new Map<number, number>();
  for (const inside of portsInside) ports.set(inside, await freePort());
  const [uid, gid] = service.user.split(":").map(Number);
  if (uid === undefined || gid === undefined) throw new Error(`No numeric user and group: ${service.user}`);
  // Only root can become the container's user; anybody else stays who he is.
  const changesUser = process.getuid?.() === 0;
  // `mkdtemp` makes folders for their owner only.
  if (changesUser) await chown(home.path, uid, gid);
  await mkdir(root);

  for (const { type, source, target } of service.volumes) {
    const place = join(root, target);
    await mkdir(place, { recursive: true });
    if (type === "bind") await cp(replaced[target] ?? join(projectRoot, source), place, { recursive: true });
  }
  for (const entry of await readdir(root, { recursive: true })) {
    const path = join(root, entry);
    if (changesUser) await lchown(path, uid, gid);
    if (path.endsWith(".conf") && (await stat(path)).isFile()) {
      await writeFile(path, mapConfig(await readFile(path, "utf8"), root, ports));
    }
  }

  const container: Container = {
    path: (inside) => join(root, inside),
    port(inside) {
      const port = ports.get(inside);
      if (port === undefined) throw new Error(`Port ${inside} is none of the container's.`);
      return port;
    },
    commandLine([program = "", ...rest]) {
      const args = rest.map((argument, index) => {
        if (rest[index - 1] === "-p") return String(container.port(Number(argument)));
        return mapPaths(argument, root);
      });
      if (!changesUser) return { command: program, args };
      const identity = ["--reuid", String(uid), "--regid", String(gid), "--clear-groups", "--no-new-privs"];
      return { command: "setpriv", args: [...identity, "--", program, ...args] };
    },
    async run(commandInside, { input = "", timeoutMs = 10_000, service: as = service } = {}) {
      const { command, args } = container.commandLine(commandInside);
      const own = Object.entries(as.environment).map(([name, value]) => [name, mapPaths(value, root)]);
      const env = { PATH: `${process.env.PATH}:/usr/sbin`, LD_LIBRARY_PATH: process.env.LD_LIBRARY_PATH };
      const child = spawn(command, args, {
        env: { ...env, ...Object.fromEntries(own) },
        cwd: root,
        timeout: timeoutMs,
        killSignal: "SIGKILL",
      });
      // A program that ends without reading its input says why on its own.
      child.stdin.on("error", () => undefined);
      child.stdin.end(input);
      const [code, stdout, stderr] = await Promise.all([
        new Promise<number>((resolve, reject) => {
          child.once("error", reject);
          child.once("close", (exit) => resolve(exit ?? 137));
        }),
        text(child.stdout),
        text(child.stderr),
      ]);
      return { code, output: stdout + stderr };
    },
  };
  return container;
}

function mapPaths(text: string, root: string): string {
  return text.replaceAll("/mosquitto/", `${root}/mosquitto/`);
}

function mapConfig(config: string, root: string, ports: ReadonlyMap<number, number>): string {
  return mapPaths(config, root).replaceAll(/^listener (\d+)( \S+)?$/gm, (_, inside: string) => {
    return `listener ${ports.get(Number(inside))} 127.0.0.1`;
  });
}
