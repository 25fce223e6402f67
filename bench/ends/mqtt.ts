import mqtt from "mqtt";
import type { End, Hear } from "./end.ts";
import type { MqttPlace } from "./place.ts";

/** Opens a bare mqtt.js client with a topic of its own, QoS 1. A text counts as sent when the broker has it (PUBACK). */
export async function openMqttEnd({ name, address }: MqttPlace, hear: Hear): Promise<End> {
  const client = await mqtt.connectAsync(address);
  client.on("message", (_topic, payload) => hear(payload.toString("utf8")));
  await client.subscribeAsync(topicOf(name), { qos: 1 });
  return {
    async send(to, body) {
      const names = typeof to === "string" ? [to] : to;
      await Promise.all(names.map((other) => client.publishAsync(topicOf(other), body, { qos: 1 })));
    },
  };
}

/** The topic that a peer would have: the managed broker serves no others. */
function topicOf(name: string): string {
  return `pilink/bare/${name}/inbox`;
}
