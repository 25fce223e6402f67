/** How much waits for the clients of persistent sessions, at most. */
export interface QueueLimits {
  /** Messages in one queue. */
  messages: number;
  /** Bytes in one queue. */
  queueBytes: number;
  /** Bytes in all queues together. */
  totalBytes: number;
}

/** What Aedes hands over of a packet, and what it wants back. */
export interface QueuedPacket {
  cmd: string;
  brokerId: string | undefined;
  brokerCounter: number | undefined;
  messageId: number | undefined;
  topic: string;
  payload: Buffer | string;
  qos: number;
  retain: boolean;
  dup: boolean;
}

/** A packet that says which one is meant. */
export type PacketMark = Partial<Pick<QueuedPacket, "cmd" | "brokerId" | "brokerCounter" | "messageId">>;

interface Queue {
  packets: Map<number, QueuedPacket>;
  /** The packets that are on their way to the client, by the id that it will acknowledge. */
  keys: Map<number, number>;
  sizeBytes: number;
}

// What a packet takes besides its topic and payload: the object, and its places in the maps.
const packetOverheadBytes = 250;

/**
 * The messages that wait until the clients of persistent sessions acknowledge them.
 *
 * Cause: aedes-persistence keeps them in arrays without a limit (50,000 messages of 256 B for one absent client take
 * 26 MB, for as long as the broker runs), searches these from their start for each message and each acknowledgement
 * (20,000 that wait for one client stop everybody else for seconds), never gives up the array of a client that is gone,
 * takes away a wrong message where `authorizeForward` refuses one, and fails for one that was acknowledged meanwhile,
 * upon which Aedes cuts off a client whose session resumes under traffic.
 *
 * What exceeds a limit is not kept: it goes to the client if that is connected, and is lost for one that is away. The
 * sender has got no receipt for it, and publishes it again when the client is back ([DEL-5], [DEL-6] in topics.md).
 */
export class SessionQueues {
  readonly #limits: QueueLimits;
  readonly #queues = new Map<string, Queue>();
  #totalBytes = 0;

  constructor(limits: QueueLimits) {
    this.#limits = limits;
  }

  /** How much all queues take, in bytes. */
  get totalBytes(): number {
    return this.#totalBytes;
  }

  /** Keeps a packet for clients, as far as the limits let it. */
  enqueue(clientIds: readonly string[], packet: QueuedPacket): void {
    const { brokerCounter } = packet;
    if (brokerCounter === undefined || clientIds.length === 0) return;
    const payload = detach(packet.payload);
    const sizeBytes = sizeOf(packet.topic, payload);
    for (const clientId of clientIds) {
      const queue = this.#queues.get(clientId) ?? { packets: new Map(), keys: new Map(), sizeBytes: 0 };
      if (!this.#hasRoom(queue, sizeBytes)) continue;
      this.#queues.set(clientId, queue);
      if (queue.packets.has(brokerCounter)) continue;
      const { cmd, brokerId, topic, qos, retain, dup } = packet;
      const kept = { cmd, brokerId, brokerCounter, topic, payload, qos, retain, dup, messageId: undefined };
      queue.packets.set(brokerCounter, kept);
      queue.sizeBytes += sizeBytes;
      this.#totalBytes += sizeBytes;
    }
  }

  /** Notes the id by which the client will acknowledge a packet, or that its PUBREC came (MQTT 3.1.1, 4.3.3). */
  update(clientId: string, mark: PacketMark): void {
    const queue = this.#queues.get(clientId);
    const { messageId, brokerCounter } = mark;
    if (queue === undefined || messageId === undefined) return;
    const isPublish = mark.cmd !== "pubrel";
    const key = isPublish ? brokerCounter : queue.keys.get(messageId);
    const held = key === undefined ? undefined : queue.packets.get(key);
    // Not kept because of the limits, or acknowledged already: there is nothing to note.
    if (key === undefined || held === undefined) return;
    if (held.messageId !== undefined && queue.keys.get(held.messageId) === key) queue.keys.delete(held.messageId);
    held.messageId = messageId;
    queue.keys.set(messageId, key);
    if (!isPublish) held.cmd = "pubrel";
  }

  /**
   * Takes away what the client has acknowledged.
   *
   * @param messageId undefined where Aedes does not know which one it means; then it is none
   */
  settle(clientId: string, messageId: number | undefined): QueuedPacket | undefined {
    const queue = this.#queues.get(clientId);
    const key = messageId === undefined ? undefined : queue?.keys.get(messageId);
    if (queue === undefined || messageId === undefined || key === undefined) return undefined;
    queue.keys.delete(messageId);
    const packet = queue.packets.get(key);
    if (packet === undefined) return undefined;
    queue.packets.delete(key);
    const sizeBytes = sizeOf(packet.topic, packet.payload);
    queue.sizeBytes -= sizeBytes;
    this.#totalBytes -= sizeBytes;
    if (queue.packets.size === 0) this.#queues.delete(clientId);
    return packet;
  }

  /**
   * What waits for a client at the moment of the first step, the oldest first, without what was acknowledged since:
   * Aedes sends to a client that returns while it still goes through this.
   */
  *waiting(clientId: string): Generator<QueuedPacket> {
    const packets = this.#queues.get(clientId)?.packets;
    for (const key of [...(packets?.keys() ?? [])]) {
      const packet = packets?.get(key);
      if (packet !== undefined) yield packet;
    }
  }

  /** Forgets what waits for a client. */
  drop(clientId: string): void {
    this.#totalBytes -= this.#queues.get(clientId)?.sizeBytes ?? 0;
    this.#queues.delete(clientId);
  }

  #hasRoom(queue: Queue, sizeBytes: number): boolean {
    const { messages, queueBytes, totalBytes } = this.#limits;
    return (
      queue.packets.size < messages &&
      queue.sizeBytes + sizeBytes <= queueBytes &&
      this.#totalBytes + sizeBytes <= totalBytes
    );
  }
}

/** What keeping a packet takes, in bytes. */
export function sizeOf(topic: string, payload: Uint8Array | string): number {
  return packetOverheadBytes + 2 * topic.length + payload.length;
}

/**
 * The payload by itself. Cause: as it comes from the parser it is a part of what was read from the socket, up to 64 KiB
 * that would stay in memory for as long as the payload does.
 */
export function detach<Payload extends Uint8Array | string>(payload: Payload): Payload | Buffer {
  if (typeof payload === "string" || payload.buffer.byteLength <= payload.byteLength + packetOverheadBytes)
    return payload;
  // Not Buffer.from(): that takes small ones from a pool, which is shared in the same way.
  const copy = Buffer.allocUnsafeSlow(payload.byteLength);
  copy.set(payload);
  return copy;
}
