import { setTimeout } from "node:timers/promises";
import { eventually } from "../../support/eventually.ts";
import { startTcpProxy } from "../../support/network.ts";
import { type RawMqtt, rawMqtt } from "../../support/raw-mqtt.ts";
import { type Fact, yesOrNo } from "./fact.ts";

const will = (topic: string) => ({ topic, payload: Buffer.from("lost"), qos: 1 as const, retain: true });

/** Whether a will came, known as soon as that of a client comes that ended later. */
async function cameBeforeAnother(url: string, watcher: RawMqtt, topic: string): Promise<boolean> {
  const next = `${topic}-next`;
  await watcher.subscribe(next);
  (await rawMqtt(url, { will: will(next) })).drop();
  await watcher.waitFor(next);
  return watcher.messages(topic).length > 0;
}

/** Whether a connection that says nothing but its pings, one each `keepalive` seconds, can last. */
async function staysSilent(url: string, keepalive: number): Promise<boolean> {
  // A ping may come too late because this machine is busy, but not each time.
  for (let attempt = 0; attempt < 6; attempt += 1) {
    const client = await rawMqtt(url, { keepalive });
    const ended = new Promise<boolean>((resolve) => client.client.once("close", () => resolve(false)));
    const stayed = await Promise.race([ended, setTimeout(5_000, true)]);
    await client.close();
    if (stayed) return true;
  }
  return false;
}

/** What becomes of a client's will. */
export const willFacts: Fact[] = [
  {
    title: "will when a connection breaks, after a proper leave",
    async measure({ shared }) {
      const [broken, polite] = ["pilink/facts-will/broken/presence", "pilink/facts-will/polite/presence"];
      const watcher = await rawMqtt(shared.url);
      await watcher.subscribe(broken, polite);
      (await rawMqtt(shared.url, { will: will(broken) })).drop();
      const cameBroken = await watcher.waitFor(broken).then(
        () => true,
        () => false,
      );
      await (await rawMqtt(shared.url, { will: will(polite) })).close();
      return `${yesOrNo(cameBroken)}, ${yesOrNo(await cameBeforeAnother(shared.url, watcher, polite))}`;
    },
  },
  {
    title: "will when a client falls silent, within 1.5 keepalives and 5 s",
    async measure({ shared }) {
      const topic = "pilink/facts-will/silent/presence";
      const watcher = await rawMqtt(shared.url);
      await watcher.subscribe(topic);
      const proxy = await startTcpProxy(shared.port);
      const keepalive = 2;
      await rawMqtt(`mqtt://127.0.0.1:${proxy.port}`, { keepalive, will: will(topic) });
      proxy.blackhole();
      // A second for a machine that is busy.
      const limitMs = keepalive * 1_500 + 5_000 + 1_000;
      const came = await watcher.waitFor(topic, { timeoutMs: limitMs }).then(
        () => true,
        () => false,
      );
      return yesOrNo(came);
    },
  },
  {
    title: "a silent connection with a keepalive of 1 s, of 2 s, stays",
    async measure({ shared }) {
      const answers = await Promise.all([1, 2].map((keepalive) => staysSilent(shared.url, keepalive)));
      return answers.map(yesOrNo).join(", ");
    },
  },
  {
    title: "will when another connection takes over the client id of a session",
    async measure({ shared }) {
      const topic = "pilink/facts-will/takeover/presence";
      const watcher = await rawMqtt(shared.url);
      await watcher.subscribe(topic);
      const session = { clientId: "pl-facts-takeover", clean: false, will: will(topic) };
      const first = await rawMqtt(shared.url, session);
      const second = await rawMqtt(shared.url, session);
      await eventually(() => !first.client.connected);
      const came = await cameBeforeAnother(shared.url, watcher, topic);
      await second.close();
      return yesOrNo(came);
    },
  },
];
