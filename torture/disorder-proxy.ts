import { once } from "node:events";
import { connect, createServer, type Socket } from "node:net";
import { packetsOf, textAt } from "../test/contract/filter-proxy.ts";
import { onCleanup } from "../test/support/cleanup.ts";
import { listen, tieEnds } from "../test/support/network.ts";
import type { Random } from "./random.ts";

/** How much goes wrong: each is a share from 0 to 1 of what a broker delivers to inbox and receipts. */
export interface Disorder {
  twice: number;
  shuffled: number;
  lost: number;
}

/** No {@link Disorder}. */
export const inOrder: Disorder = { twice: 0, shuffled: 0, lost: 0 };

/** A proxy in front of a broker that speaks MQTT, and behaves as brokers do that are known for it. */
export interface DisorderProxy {
  port: number;
  /** What was done so far. */
  counts: { twice: number; shuffled: number; lost: number };
  setDisorder(disorder: Disorder): void;
  close(): Promise<void>;
}

// What is held back goes out after so many later ones, or when nothing more comes.
const heldLimit = 5;
const heldForMs = 300;

/**
 * Starts a proxy that delivers some messages twice, some later than those after them, and acknowledges some to the
 * broker without delivering them, as a broker does whose queue is full.
 *
 * @param targetPort of the broker, on 127.0.0.1
 * @param random decides what happens to which message
 */
export async function startDisorderProxy(targetPort: number, random: Random): Promise<DisorderProxy> {
  const counts = { twice: 0, shuffled: 0, lost: 0 };
  const sockets = new Set<Socket>();
  let disorder = inOrder;

  const server = createServer({ noDelay: true }, (near) => {
    const far = connect({ port: targetPort, host: "127.0.0.1", noDelay: true });
    const held: Buffer[] = [];
    /** The packet ids whose second acknowledgement the broker must not see. */
    const doubled = new Map<number, number>();
    const releaseHeld = () => {
      for (const packet of held.splice(0).reverse()) if (!near.destroyed) near.write(packet);
    };
    const fromClient = packetsOf();
    const fromBroker = packetsOf();

    near.on("data", (chunk) => {
      for (const packet of fromClient(chunk)) {
        if (isOfType(packet, puback)) {
          const id = packet.readUInt16BE(2);
          const extra = doubled.get(id) ?? 0;
          if (extra > 0) {
            doubled.set(id, extra - 1);
            continue;
          }
        }
        if (!far.destroyed) far.write(packet);
      }
    });
    far.on("data", (chunk) => {
      for (const packet of fromBroker(chunk)) {
        const id = isOfType(packet, publish) ? disorderlyId(packet) : undefined;
        const fate = id === undefined ? 1 : random.next();
        if (id === undefined || fate >= disorder.lost + disorder.twice + disorder.shuffled) near.write(packet);
        else if (fate < disorder.lost) {
          counts.lost += 1;
          far.write(acknowledgement(id));
        } else if (fate < disorder.lost + disorder.twice) {
          counts.twice += 1;
          doubled.set(id, (doubled.get(id) ?? 0) + 1);
          near.write(packet);
          near.write(packet);
        } else {
          counts.shuffled += 1;
          held.push(packet);
          if (held.length === 1) setTimeout(releaseHeld, heldForMs);
          if (held.length >= heldLimit) releaseHeld();
        }
      }
    });
    tieEnds(near, far, sockets);
  });
  const port = await listen(server);
  const close = async () => {
    forget();
    for (const socket of sockets) socket.destroy();
    if (!server.listening) return;
    server.close();
    await once(server, "close");
  };
  const forget = onCleanup(close);
  return {
    port,
    counts,
    setDisorder(next) {
      disorder = next;
    },
    close,
  };
}

// MQTT 3.1.1, 2.2.1: the types of the packets that matter here.
const publish = 3;
const puback = 4;

function isOfType(packet: Buffer, type: number): boolean {
  return (packet[0] ?? 0) >> 4 === type;
}

/** The packet id of a PUBLISH with QoS 1 to an inbox or to receipts (MQTT 3.1.1, 3.3.2); others are left alone. */
function disorderlyId(packet: Buffer): number | undefined {
  if (((packet[0] ?? 0) & 0b110) !== 0b010) return undefined;
  const topic = textAt(packet, 0);
  if (!topic.endsWith("/inbox") && !topic.endsWith("/receipts")) return undefined;
  let start = 1;
  while (((packet[start] ?? 0) & 0x80) !== 0) start += 1;
  return packet.readUInt16BE(start + 1 + 2 + Buffer.byteLength(topic));
}

function acknowledgement(id: number): Buffer {
  const packet = Buffer.from([puback << 4, 2, 0, 0]);
  packet.writeUInt16BE(id, 2);
  return packet;
}
