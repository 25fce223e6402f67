import { createServer } from "node:net";
import { afterEach, describe, expect, it } from "vitest";
import { Link } from "../../peer/link.ts";
import { startManagedBrokerHere } from "../support/brokers.ts";
import { onCleanup, stopEverything } from "../support/cleanup.ts";
import { eventually } from "../support/eventually.ts";
import { listen, startTcpProxy } from "../support/network.ts";

const attemptCount = 8;

afterEach(stopEverything);

/** Lets links lose their broker, and notes when each comes to a server that turns everybody away. */
async function attemptsOf(linkCount: number): Promise<number[][]> {
  const attempts: number[][] = [];
  const broker = await startManagedBrokerHere();
  for (let index = 0; index < linkCount; index += 1) {
    const proxy = await startTcpProxy(broker.port);
    const link = new Link({
      url: `mqtt://127.0.0.1:${proxy.port}`,
      clientId: `pl-link-${index}`,
      clean: true,
      keepaliveMs: 10_000,
      onMessage: () => undefined,
    });
    await link.open();
    onCleanup(() => link.close());
    await proxy.close();
    const times: number[] = [];
    attempts.push(times);
    const refusing = createServer((socket) => {
      times.push(performance.now());
      socket.destroy();
    });
    await listen(refusing, proxy.port);
    onCleanup(() => void refusing.close());
  }
  await eventually(() => attempts.every((times) => times.length >= attemptCount), { timeoutMs: 40_000 });
  return attempts.map((times) => times.slice(0, attemptCount));
}

const gapsOf = (times: number[]) => times.slice(1).map((time, index) => time - (times[index] ?? 0));

describe("a link whose broker turns it away", () => {
  it("comes again with growing pauses, and not together with others [MQTT-7]", { timeout: 60_000 }, async () => {
    const attempts = await attemptsOf(6);
    for (const times of attempts) {
      const gaps = gapsOf(times);
      // The pauses double, each between half and one and a half of what it would be: no timer fires early.
      for (const [index, gap] of gaps.entries()) {
        if (index > 0) expect(gap).toBeGreaterThan(0.5 * Math.min(2_000, 50 * 2 ** index) - 2);
      }
      expect(Math.max(...gaps)).toBeGreaterThan(4 * Math.min(...gaps));
    }
    // Where all took the same pauses, they would be together at each attempt.
    const lasts = attempts.map((times) => (times.at(-1) ?? 0) - (times[0] ?? 0)).sort((one, other) => one - other);
    expect((lasts.at(-1) ?? 0) - (lasts[0] ?? 0)).toBeGreaterThan(200);
  });
});
