import { mkdtemp } from "node:fs/promises";
import { join } from "node:path";
import { type BackgroundArguments, defaultIdleMs } from "../../broker/background.ts";
import { defaultPacketLimitBytes } from "../../broker/guard.ts";
import { packageVersion } from "../../broker/managed.ts";
import { probeBroker } from "../../broker/probe.ts";
import { runBroker } from "../../test/support/broker-process.ts";
import { freePort } from "../../test/support/network.ts";
import { temporaryHome } from "../../test/support/temporary-home.ts";
import type { Figure } from "../figure.ts";
import { checkout, installPackage } from "../installed-package.ts";
import { rotate } from "../line.ts";
import { residentMB, tellsCosts } from "../process-cost.ts";
import { Recording } from "../recording.ts";
import type { Scene, SceneOptions } from "../scene.ts";
import { nowMs } from "../serving.ts";

const title = "start of the managed broker";
const quantities = { start: "spawn to CONNACK", memory: "memory" } as const;
const installedLater = "installed, later starts";

/** From the spawn of the managed broker until it answers a CONNECT. */
export const brokerStart: Scene = {
  name: "broker-start",
  title: "from the spawn of the managed broker to its first CONNACK",
  goals: [
    {
      title: "managed broker without a client, MB",
      figure: { scene: title, subject: installedLater, quantity: quantities.memory },
      atMost: 75,
    },
  ],
  measure,
};

async function measure({ rounds, isQuick, say }: SceneOptions): Promise<Figure[]> {
  const { path: home } = await temporaryHome();
  const installed = isQuick ? undefined : await installPackage(home);
  const kinds = [
    { first: "this folder, first start", later: "this folder, later starts", main: checkout.brokerMain },
    ...(installed === undefined
      ? []
      : [{ first: "installed, first start", later: installedLater, main: installed.brokerMain }]),
  ];
  const recording = new Recording();
  for (let round = 0; round < rounds; round += 1) {
    for (const { first, later, main } of rotate(kinds, round)) {
      // The first start of a home compiles what the later ones read from the home.
      const state = await mkdtemp(join(home, "state-"));
      for (const subject of [first, later]) {
        const { tookMs, memoryMB } = await startOnce(main, state);
        recording.note(title, subject, quantities.start, "ms", tookMs);
        if (memoryMB !== undefined) recording.note(title, subject, quantities.memory, "MB", memoryMB);
      }
    }
    say(`round ${round + 1}`);
  }
  return recording.figures();
}

/** Starts a broker as `broker/start.ts` does, and ends it in good order. */
async function startOnce(main: string, home: string): Promise<{ tookMs: number; memoryMB: number | undefined }> {
  const port = await freePort();
  const argument: BackgroundArguments = {
    home,
    host: "127.0.0.1",
    port,
    local: true,
    version: packageVersion(),
    idleMs: defaultIdleMs,
    packetLimitBytes: defaultPacketLimitBytes,
  };
  const beganMs = nowMs();
  const broker = await runBroker({
    name: "managed broker",
    port,
    command: process.execPath,
    args: [main, JSON.stringify(argument)],
    env: { NODE_COMPILE_CACHE: join(home, "compiled") },
    ready: /"ready":true/,
  });
  const { kind } = await probeBroker({ host: argument.host, port });
  const tookMs = nowMs() - beganMs;
  if (kind !== "mqtt") throw new Error(`The broker that was started answers with "${kind}".`);
  const pid = broker.pid();
  const memoryMB = tellsCosts() && pid !== undefined ? await residentMB(pid) : undefined;
  await broker.stop();
  return { tookMs, memoryMB };
}
