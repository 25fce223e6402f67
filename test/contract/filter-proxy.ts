import { once } from "node:events";
import { connect, createServer, type Socket } from "node:net";
import { onCleanup } from "../support/cleanup.ts";
import { listen, tieEnds } from "../support/network.ts";

/** A PUBLISH on its way from a broker to a client. */
export interface PassingPublish {
  topic: string;
  retained: boolean;
  /** The first filter of the SUBSCRIBE that the client sent last. */
  lastFilter: string;
}

/** Whole MQTT packets out of chunks that may cut them anywhere (MQTT 3.1.1 §2.2.3 for the length). */
export function packetsOf(): (chunk: Buffer) => Buffer[] {
  let rest = Buffer.alloc(0);
  return (chunk) => {
    rest = Buffer.concat([rest, chunk]);
    const packets: Buffer[] = [];
    for (;;) {
      let length = 0;
      let at = 1;
      for (; at <= 4; at += 1) {
        const byte = rest[at];
        if (byte === undefined) return packets;
        length += (byte & 0x7f) * 128 ** (at - 1);
        if ((byte & 0x80) === 0) break;
      }
      if (rest.length < at + 1 + length) return packets;
      packets.push(rest.subarray(0, at + 1 + length));
      rest = rest.subarray(at + 1 + length);
    }
  };
}

/** The text that begins so many bytes after the fixed header, with its length in two bytes before it. */
export function textAt(packet: Buffer, offset: number): string {
  let start = 1;
  while (((packet[start] ?? 0) & 0x80) !== 0) start += 1;
  start += 1 + offset;
  return packet.toString("utf8", start + 2, start + 2 + packet.readUInt16BE(start));
}

/**
 * Stands between clients and a broker, and loses some of what the broker publishes.
 *
 * @param targetPort of the broker, on 127.0.0.1
 * @param loses true for what does not reach the client
 * @param onPacket told of each packet, in both directions
 * @returns the port to use instead
 */
export async function startFilterProxy(
  targetPort: number,
  loses: (publish: PassingPublish) => boolean,
  onPacket: (packet: Buffer) => void = () => undefined,
): Promise<number> {
  const sockets = new Set<Socket>();
  const server = createServer({ noDelay: true }, (near) => {
    const far = connect({ port: targetPort, host: "127.0.0.1", noDelay: true });
    let lastFilter = "";
    const fromClient = packetsOf();
    const fromBroker = packetsOf();
    near.on("data", (chunk) => {
      for (const packet of fromClient(chunk)) {
        onPacket(packet);
        if ((packet[0] ?? 0) >> 4 === 8) lastFilter = textAt(packet, 2);
        far.write(packet);
      }
    });
    far.on("data", (chunk) => {
      for (const packet of fromBroker(chunk)) {
        onPacket(packet);
        const header = packet[0] ?? 0;
        const isLost =
          header >> 4 === 3 && loses({ topic: textAt(packet, 0), retained: (header & 1) === 1, lastFilter });
        if (!isLost) near.write(packet);
      }
    });
    tieEnds(near, far, sockets);
  });
  const port = await listen(server);
  onCleanup(async () => {
    for (const socket of sockets) socket.destroy();
    server.close();
    await once(server, "close");
  });
  return port;
}
