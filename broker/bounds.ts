import { Readable } from "node:stream";
import { type AbsenceLimits, Absences, type SessionClient } from "./absences.ts";
import { Replay } from "./replay.ts";
import { type RetainedLimits, type RetainedPacket, RetainedRecords } from "./retained-records.ts";
import { type PacketMark, type QueuedPacket, type QueueLimits, SessionQueues } from "./session-queues.ts";

/** How much memory the broker gives to what outlives a connection. */
export interface BrokerBounds extends QueueLimits, AbsenceLimits {
  retained: RetainedLimits;
}

const hourMs = 60 * 60_000;
const mebibyte = 1024 * 1024;

/** The bounds of the managed broker. */
export const defaultBounds: BrokerBounds = {
  // As much as 31 senders may have in flight to one receiver ([DEL-7] in topics.md).
  messages: 2_000,
  queueBytes: 16 * mebibyte,
  // What waits for several is counted for each of them, although they share it.
  totalBytes: 128 * mebibyte,
  sessions: 1_000,
  expiryMs: 24 * hourMs,
  // More than the longest closing time that can be set: after it the network of that record is closed for everybody.
  retained: { records: 10_000, bytes: 32 * mebibyte, lostExpiryMs: 25 * hourMs },
};

// How often it is looked for what has expired.
const sweepMs = hourMs / 6;

/** The methods of aedes-persistence that the bounds need; they are those of its version 11. */
interface Persistence {
  cleanSubscriptions(client: { id: string }): Promise<void>;
  cleanIncoming(client: { id: string }): Promise<void>;
}

/** Keeps the bounds, once {@link applyBounds} has put it in place. */
export interface Bounded {
  /** Call it for each client that connects, before Aedes looks for its session. */
  arrive(client: SessionClient): void;
  /** What there is at this moment. */
  usage(): { queuedBytes: number; absentSessions: number };
  stop(): void;
}

/**
 * Puts bounds to what Aedes' persistence in memory keeps. It has none of its own: see the causes at
 * {@link SessionQueues}, {@link Absences} and {@link RetainedRecords}, and docs/aedes.md.
 *
 * @param persistence of a broker that serves nobody yet; methods of it are replaced
 * @throws Error where it is not the one that this was written for
 */
export function applyBounds(persistence: unknown, bounds: BrokerBounds): Bounded {
  const inner = bindPersistence(persistence);
  const queues = new SessionQueues(bounds);
  const records = new RetainedRecords(bounds.retained);
  const nowMs = () => performance.now();
  const forget = (id: string) => {
    queues.drop(id);
    // Both only change maps; neither can fail.
    void inner.cleanSubscriptions({ id });
    void inner.cleanIncoming({ id });
  };
  const absences = new Absences(bounds, forget);
  const own = {
    async outgoingEnqueue(sub: { clientId: string }, packet: QueuedPacket) {
      queues.enqueue([sub.clientId], packet);
    },
    async outgoingEnqueueCombi(subs: readonly { clientId: string }[], packet: QueuedPacket) {
      queues.enqueue(
        subs.map(({ clientId }) => clientId),
        packet,
      );
    },
    async outgoingUpdate({ id }: { id: string }, mark: PacketMark) {
      queues.update(id, mark);
    },
    outgoingClearMessageId: async ({ id }: { id: string }, { messageId }: PacketMark) => queues.settle(id, messageId),
    outgoingStream: ({ id }: { id: string }) => Readable.from(queues.waiting(id)),
    async cleanSubscriptions(client: { id: string }) {
      // Cause: Aedes leaves the queue of a session that is ended (clean session 1) to be emptied packet by packet.
      queues.drop(client.id);
      await inner.cleanSubscriptions(client);
    },
    async storeRetained(packet: RetainedPacket) {
      records.store(packet, nowMs());
    },
    createRetainedStreamCombi: (filters: readonly string[]) =>
      new Replay(filters.flatMap((filter) => records.matching(filter))),
  };
  Object.assign(inner.target, own);

  const sweep = () => {
    absences.expire(nowMs());
    for (const topic of records.expired(nowMs())) void own.storeRetained({ topic, payload: Buffer.alloc(0) });
  };
  const timer = setInterval(sweep, Math.min(sweepMs, bounds.expiryMs, bounds.retained.lostExpiryMs));
  timer.unref();
  return {
    arrive: (client) => absences.arrive(client, nowMs),
    usage: () => ({ queuedBytes: queues.totalBytes, absentSessions: absences.count }),
    stop: () => clearInterval(timer),
  };
}

function bindPersistence(persistence: unknown): Persistence & { target: object } {
  if (typeof persistence !== "object" || persistence === null) throw new Error("this Aedes has no persistence");
  const method = (name: string): ((...args: unknown[]) => Promise<void>) => {
    const found: unknown = Reflect.get(persistence, name);
    if (typeof found !== "function") throw new Error(`the persistence of this Aedes has no ${name}()`);
    return async (...args) => {
      await found.apply(persistence, args);
    };
  };
  for (const name of ["outgoingEnqueue", "outgoingEnqueueCombi", "outgoingUpdate", "outgoingClearMessageId"])
    method(name);
  for (const name of ["outgoingStream", "storeRetained", "createRetainedStreamCombi"]) method(name);
  return {
    target: persistence,
    cleanSubscriptions: method("cleanSubscriptions"),
    cleanIncoming: method("cleanIncoming"),
  };
}
