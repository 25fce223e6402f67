import { PilinkError } from "../protocol/errors.ts";
import { newId } from "../protocol/ids.ts";
import type { Presence } from "../protocol/presence.ts";
import { formatTopic } from "../protocol/topics.ts";
import { answerLimitMs } from "./entrance.ts";
import type { Identity } from "./identity.ts";
import type { Wire } from "./wire.ts";

/** What is published on the own topics must come back: a broker that forbids it acknowledges and drops. */
export async function requireRights(wire: Wire, { network, name, epoch }: Identity): Promise<void> {
  // One at a time: Mosquitto 2.0.11 closes the connection of who publishes a second time what is forbidden.
  for (const channel of ["control", "receipts", "inbox"] as const) {
    if (await wire.probe(channel, newId(), epoch, answerLimitMs)) continue;
    const topic = formatTopic(network, name, channel);
    throw new PilinkError(
      "broker-forbids",
      `The broker ${wire.link.address} does not let this account use ${topic}: what was published there did not come back. Ask whoever runs it for the access rules of topics.md.`,
      { value: topic },
    );
  }
}

/** The own birth must come as a retained record to a wildcard subscription, as it has to for every later peer. */
export async function requireOwnRecord(wire: Wire, { network, name, epoch }: Identity): Promise<void> {
  const topic = formatTopic(network, name, "presence");
  if (await comesBack(wire, name, epoch, () => wire.subscribePresence())) return;
  if (await comesBack(wire, name, epoch, () => wire.link.subscribe([topic]))) {
    throw new PilinkError(
      "broker-no-retained",
      `The broker ${wire.link.address} does not deliver retained messages to a wildcard subscription (RabbitMQ is known for it), so nobody would see who is here. Use Mosquitto, NATS, EMQX or the managed broker.`,
      { value: wire.link.address },
    );
  }
  throw new PilinkError(
    "broker-forbids",
    `The broker ${wire.link.address} does not let this account publish ${topic}, or read it. Ask whoever runs it for the access rules of topics.md.`,
    { value: topic },
  );
}

// Aedes acknowledges a record before it stores it: the first subscription may come too early for it.
const againAfterMs = answerLimitMs / 10;

/** In a network of a thousand peers the records take their time: the limit counts from when all have come once. */
function comesBack(wire: Wire, name: string, epoch: string, subscribe: () => Promise<void>): Promise<boolean> {
  return new Promise((resolve, reject) => {
    let quietSinceMs = performance.now();
    let completeMs: number | undefined;
    let isSubscribing = false;
    const stop = () => {
      clearInterval(watch);
      wire.events.off("presence", onPresence);
    };
    const finish = (came: boolean) => {
      stop();
      resolve(came);
    };
    const onPresence = (from: string, record: Presence | undefined, retained: boolean) => {
      if (!retained) return;
      if (from === name && record?.epoch === epoch) finish(true);
      else quietSinceMs = performance.now();
    };
    const tryOnce = () => {
      isSubscribing = true;
      subscribe().then(
        () => {
          isSubscribing = false;
          quietSinceMs = performance.now();
        },
        (error: unknown) => {
          stop();
          reject(error);
        },
      );
    };
    const watch = setInterval(() => {
      const nowMs = performance.now();
      if (isSubscribing || nowMs - quietSinceMs < againAfterMs) return;
      completeMs ??= nowMs;
      if (nowMs - completeMs >= answerLimitMs - againAfterMs) finish(false);
      else tryOnce();
    }, againAfterMs);
    wire.events.on("presence", onPresence);
    tryOnce();
  });
}
