import { mosquittoInstalled, startMosquitto } from "../../support/brokers.ts";
import { eventually } from "../../support/eventually.ts";
import { startTcpProxy } from "../../support/network.ts";
import { rawMqtt } from "../../support/raw-mqtt.ts";
import { allOrSome, type Fact, type Measured, yesOrNo } from "./fact.ts";

/** Publishes so many messages for a session that is absent, and counts what it gets when it is back. */
async function countQueued(url: string, wanted: number): Promise<number> {
  const [topic, session] = ["pilink/facts-queue/dev/inbox", { clientId: "pl-facts-queue", clean: false }];
  const first = await rawMqtt(url, session);
  await first.subscribe(topic);
  await first.close();
  const sender = await rawMqtt(url);
  await Promise.all(Array.from({ length: wanted }, (_, index) => sender.publish(topic, `${index}`)));
  const second = await rawMqtt(url, session);
  const count = () => new Set(second.messages(topic).map(({ text }) => text)).size;
  // What does not come within this time does not come.
  await eventually(() => count() === wanted).catch(() => undefined);
  return count();
}

/** Whether a client that sends a packet to a topic gets it back, rather than being disconnected. */
async function passes({ shared }: Measured, topic: string, payload: Buffer): Promise<boolean> {
  const [from, to] = [await rawMqtt(shared.url), await rawMqtt(shared.url)];
  try {
    await to.subscribe(topic);
    const ended = new Promise<boolean>((resolve) => {
      for (const { client } of [from, to]) client.once("close", () => resolve(false));
    });
    from.publish(topic, payload).catch(() => undefined);
    const came = to.waitFor(topic).then(
      () => true,
      () => false,
    );
    return await Promise.race([came, ended]);
  } catch {
    // It disconnects whoever subscribes to such a topic.
    return false;
  } finally {
    await Promise.all([from.close(), to.close()]);
  }
}

/** What becomes of messages while the broker runs. */
export const messageFacts: Fact[] = [
  {
    title: "retained message by exact topic, by wildcard, by subscribing again",
    async measure({ shared }) {
      const [topic, wildcard] = ["pilink/facts-retained/dev/presence", "pilink/facts-retained/+/presence"];
      const publisher = await rawMqtt(shared.url);
      await publisher.publish(topic, "born", { retain: true });
      const counts: number[] = [];
      for (const filters of [[topic], [wildcard], [wildcard, wildcard]]) {
        const reader = await rawMqtt(shared.url);
        for (const filter of filters) {
          const wanted = { [filter]: { qos: 1 as const } };
          // mqtt.js skips a filter that it knows, unless told; its types have the option apart from the filters.
          await reader.client.subscribeAsync(Object.assign<typeof wanted, object>(wanted, { resubscribe: true }));
        }
        await eventually(() => reader.messages(({ retained }) => retained).length >= filters.length).catch(
          () => undefined,
        );
        counts.push(reader.messages(({ retained }) => retained).length);
        await reader.close();
      }
      await publisher.publish(topic, "", { retain: true });
      return counts.map((count, index) => yesOrNo(count === (index === 2 ? 2 : 1))).join(", ");
    },
  },
  {
    title: "messages kept of 1,200 for an absent session",
    async measure({ shared, kind }) {
      const wanted = 1_200;
      const found = allOrSome(await countQueued(shared.url, wanted), wanted);
      if (kind !== "mosquitto" || !mosquittoInstalled()) return found;
      // A later line of its configuration replaces ours.
      const asInstalled = await startMosquitto({ config: "max_queued_messages 1000", persistence: false });
      const foundThere = (await countQueued(asInstalled.url, wanted)).toLocaleString("en");
      await asInstalled.stop();
      return `${found} (with its default \`max_queued_messages\`: ${foundThere})`;
    },
  },
  {
    title: "a message that was received and not acknowledged comes again",
    async measure({ shared }) {
      const [topic, session] = ["pilink/facts-again/dev/inbox", { clientId: "pl-facts-again", clean: false }];
      const first = await rawMqtt(shared.url, session);
      await first.subscribe(topic);
      const came = new Promise<void>((resolve) => {
        // The callback is what would acknowledge it.
        first.client.handleMessage = () => resolve();
      });
      await (await rawMqtt(shared.url)).publish(topic, "once more");
      await came;
      first.drop();
      const second = await rawMqtt(shared.url, session);
      const backAtMs = performance.now();
      const { duplicate } = await second.waitFor(topic, { timeoutMs: 45_000 });
      const when = performance.now() - backAtMs < 15_000 ? "at the next connection" : "after 30 s";
      await second.close();
      return `${when}, ${duplicate ? "marked as duplicate" : "not marked as duplicate"}`;
    },
  },
  {
    title: "a subscriber that is frozen delays the others",
    async measure({ shared }) {
      const [flooded, calm] = ["pilink/facts-frozen/slow/inbox", "pilink/facts-frozen/calm/inbox"];
      const proxy = await startTcpProxy(shared.port);
      const frozen = await rawMqtt(`mqtt://127.0.0.1:${proxy.port}`, { keepalive: 60 });
      await frozen.subscribe(flooded);
      const [bystander, flooder] = [await rawMqtt(shared.url), await rawMqtt(shared.url)];
      await bystander.subscribe(calm);
      proxy.pause();
      const chunk = Buffer.alloc(256 * 1024, "x");
      const flood = Promise.all(Array.from({ length: 64 }, () => flooder.publish(flooded, chunk)));
      let longestMs = 0;
      for (let round = 0; round < 20; round += 1) {
        const sentMs = performance.now();
        await bystander.publish(calm, `${round}`);
        await bystander.waitFor(({ text }) => text === `${round}`, { timeoutMs: 70_000 });
        longestMs = Math.max(longestMs, performance.now() - sentMs);
      }
      await flood;
      await proxy.close();
      return yesOrNo(longestMs > 3_000);
    },
  },
  {
    title: "a packet of 2 MB, of 5 MB",
    async measure(broker) {
      const sizes = [1_999_000, 5_000_000];
      const answers: string[] = [];
      for (const size of sizes) {
        answers.push(yesOrNo(await passes(broker, "pilink/facts-size/dev/inbox", Buffer.alloc(size, "x"))));
      }
      return answers.join(", ");
    },
  },
  {
    title: "a dot in a topic",
    measure: async (broker) => yesOrNo(await passes(broker, "pilink/facts.dot/dev/inbox", Buffer.from("hello"))),
  },
  {
    title: "MQTT 5",
    async measure({ shared }) {
      const connecting = rawMqtt(shared.url, { protocolVersion: 5 });
      return yesOrNo(
        await connecting.then(
          () => true,
          () => false,
        ),
      );
    },
  },
];
