import { startManaged } from "../brokers.ts";
import { makeSeats, startCrowd } from "../crowd.ts";
import { type Figure, quantile } from "../figure.ts";
import { untilCalm } from "../process-cost.ts";
import { Recording } from "../recording.ts";
import type { Scene, SceneOptions } from "../scene.ts";
import { nowMs } from "../serving.ts";

const title = "end of a network, 100 members";
const subject = "managed broker";
const quantities = {
  p50: "SIGKILL of the host to the last member told, p50",
  p99: "SIGKILL of the host to the last member told, p99",
  closed: "SIGKILL of the host to the network closed at the last member, p50",
} as const;
const memberProcesses = 4;

/** From the death of a host's process until every member knows of it. */
export const ending: Scene = {
  name: "ending",
  title: "from SIGKILL of the host to the notice at the last of 100 members",
  goals: [
    {
      title: "SIGKILL of the host → the last of 100 members told, p99",
      figure: { scene: title, subject, quantity: quantities.p99 },
      atMost: 50,
    },
  ],
  measure,
};

async function measure({ rounds, isQuick, say }: SceneOptions): Promise<Figure[]> {
  const members = isQuick ? 10 : 100;
  const kills = isQuick ? 2 : 8;
  const broker = await startManaged();
  const crowd = await startCrowd(broker, memberProcesses);
  const recording = new Recording();
  for (let round = 0; round < rounds; round += 1) {
    const toldMs: number[] = [];
    const closedMs: number[] = [];
    for (let kill = 0; kill < kills; kill += 1) {
      const network = `lab-${round}-${kill}`;
      const host = await startCrowd(broker, 1);
      await host.enter([{ network, name: "host" }], { creates: true });
      await crowd.enter(makeSeats(network, members), {});
      await crowd.knowAll(network, members + 1);
      const told = await crowd.watch({ events: ["suspended", "closed"], network, except: null });
      const closed = await crowd.watch({ events: ["closed"], network, except: null });
      await untilCalm([broker.pid, ...host.pids, ...crowd.pids]);
      const killedMs = nowMs();
      await host.kill();
      toldMs.push(Math.max(...(await told())) - killedMs);
      closedMs.push(Math.max(...(await closed())) - killedMs);
      await crowd.leaveAll();
    }
    say(`round ${round + 1}: the last of ${members} was told after ${toldMs.map((ms) => ms.toFixed(1)).join(", ")} ms`);
    const note = (quantity: string, value: number) => recording.note(title, subject, quantity, "ms", value);
    note(quantities.p50, quantile(toldMs, 0.5));
    note(quantities.p99, quantile(toldMs, 0.99));
    note(quantities.closed, quantile(closedMs, 0.5));
  }
  return recording.figures();
}
