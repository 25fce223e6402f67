import { PilinkError, quoteValue } from "./errors.ts";
import { isName } from "./names.ts";

/** The first level of every topic. */
export const topicRoot = "pilink";

/** The peer level that means the whole network, for claims and the closing mark (topics.md, "Topics"). */
export const everyone = "_all";

/** What the last level of a topic can be, with how it is published (topics.md, "Topics"). */
export const channels = {
  inbox: { qos: 1, retain: false },
  presence: { qos: 1, retain: true },
  receipts: { qos: 1, retain: false },
  control: { qos: 1, retain: false },
} as const satisfies Record<string, { qos: 1; retain: boolean }>;

/** The last level of a topic. */
export type Channel = keyof typeof channels;

/** A topic in its parts. `peer` is a name or {@link everyone}. */
export interface TopicParts {
  network: string;
  peer: string;
  channel: Channel;
}

/**
 * Writes a topic.
 *
 * @param network the network's name
 * @param peer a peer's name, {@link everyone}, or `+` for a subscription to every peer's
 * @param channel the last level
 * @throws PilinkError `bad-topic` if a level cannot stand in a topic
 */
export function formatTopic(network: string, peer: string, channel: Channel): string {
  if (!isName(network) || !(isPeerLevel(peer, channel) || peer === "+")) {
    throw new PilinkError(
      "bad-topic",
      `No topic can be made of network ${quoteValue(network)}, peer ${quoteValue(peer)} and ${quoteValue(channel)}.`,
      { value: { network, peer, channel } },
    );
  }
  return `${topicRoot}/${network}/${peer}/${channel}`;
}

/**
 * Reads a topic.
 *
 * @param topic a topic name as a broker delivers it
 * @throws PilinkError `bad-topic` if it is none of this protocol
 */
export function parseTopic(topic: string): TopicParts {
  const [root, network, peer, channel, ...rest] = topic.split("/");
  if (
    root !== topicRoot ||
    network === undefined ||
    peer === undefined ||
    channel === undefined ||
    rest.length > 0 ||
    !isName(network) ||
    !isChannel(channel) ||
    !isPeerLevel(peer, channel)
  ) {
    throw new PilinkError("bad-topic", `${quoteValue(topic)} is no topic of this protocol.`, { value: topic });
  }
  return { network, peer, channel };
}

/** Messages and receipts have one receiver: the whole network has no inbox. */
function isPeerLevel(peer: string, channel: Channel): boolean {
  return isName(peer) || (peer === everyone && (channel === "control" || channel === "presence"));
}

function isChannel(text: string): text is Channel {
  return Object.hasOwn(channels, text);
}
