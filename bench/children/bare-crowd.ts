// Many bare mqtt.js clients in one process that do of a network only this: each tells all that it is there.
import mqtt from "mqtt";
import { bareCrowdSchema } from "../crowd-wire.ts";
import { nowMs, serve, service } from "../serving.ts";

const topicOf = (name: string) => `pilink/bare/${name}/presence`;

serve({
  // Resolves when each client here has a record of everybody.
  enter: service(bareCrowdSchema, async ({ address, names, total, atOnce, record }) => {
    const waiting = [...names];
    const knowing: Promise<void>[] = [];
    const enterOneByOne = async () => {
      for (let name = waiting.shift(); name !== undefined; name = waiting.shift()) {
        const known = Promise.withResolvers<void>();
        const seen = new Set<string>();
        const client = await mqtt.connectAsync(address, {
          clientId: `bare-${name}`,
          clean: false,
          will: { topic: topicOf(name), payload: Buffer.from(record), qos: 1, retain: true },
        });
        client.on("message", (topic) => {
          seen.add(topic);
          if (seen.size === total) known.resolve();
        });
        await client.subscribeAsync(topicOf("+"), { qos: 1 });
        await client.publishAsync(topicOf(name), record, { qos: 1, retain: true });
        knowing.push(known.promise);
      }
    };
    await Promise.all(Array.from({ length: atOnce }, enterOneByOne));
    await Promise.all(knowing);
    return nowMs();
  }),
});
