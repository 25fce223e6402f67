import { openSync, writeSync } from "node:fs";
import { join } from "node:path";
import mqtt from "mqtt";
import { z } from "zod";
import { newId } from "../../protocol/ids.ts";
import type { End, Hear } from "./end.ts";
import type { KeptPlace } from "./place.ts";

const textSchema = z.object({ body: z.string() });

/**
 * Opens a mqtt.js client that does the least that a message needs which no crash may lose, and nothing else: a
 * persistent session at the broker, JSON with an id, and a line in a file at each end before the message goes on. What
 * it costs is the limit for any layer that keeps that promise.
 */
export async function openKeptEnd({ name, address, folder }: KeptPlace, hear: Hear): Promise<End> {
  const file = openSync(join(folder, `${name}.jsonl`), "a");
  const client = await mqtt.connectAsync(address, { clientId: `kept-${newId()}`, clean: false });
  client.on("message", (_topic, payload) => {
    const text = payload.toString("utf8");
    const { body } = textSchema.parse(JSON.parse(text));
    writeSync(file, `${text}\n`);
    hear(body);
  });
  await client.subscribeAsync(topicOf(name), { qos: 1 });
  return {
    async send(to, body) {
      const names = typeof to === "string" ? [to] : to;
      await Promise.all(
        names.map((other) => {
          const text = JSON.stringify({ v: 1, id: newId(), from: name, to: other, body, at: Date.now() });
          writeSync(file, `${text}\n`);
          return client.publishAsync(topicOf(other), text, { qos: 1 });
        }),
      );
    },
  };
}

/** The managed broker serves no topics but such. */
function topicOf(name: string): string {
  return `pilink/kept/${name}/inbox`;
}
