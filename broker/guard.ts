import type { Readable } from "node:stream";

/** The largest MQTT packet the managed broker takes, in bytes: an envelope of 1 MiB with room for JSON's escapes. */
export const defaultPacketLimitBytes = 4 * 1024 * 1024;

// A CONNECT holds a variable header of 10 bytes and at most five fields (client id, will topic, will payload,
// user name, password), each with a length of two bytes (MQTT 3.1.1, 3.1.2 and 3.1.3); before it 5 bytes of header.
const connectLimitBytes = 5 + 10 + 5 * (2 + 0xffff);
const connectType = 1;

/** Why a connection was closed by the guard. */
export type PacketFault = "too-big" | "malformed-length" | "no-connect";

/** How {@link guardPackets} and {@link createPacketGauge} judge. */
export interface PacketLimits {
  /** The largest packet, with its fixed header, in bytes. */
  limitBytes: number;
}

/**
 * Closes a connection at the fixed header of a packet that is too big, before the broker has buffered any of its body.
 *
 * Cause: Aedes 1.2 (its parser, mqtt-packet) has no limit. It collects whatever length the header announces, up to
 * 256 MiB, also from a client that has not sent its CONNECT yet.
 *
 * Aedes pulls with `stream.read()`, so looking at what that returns costs no copy, no tick, and leaves backpressure
 * as it is: nothing is read that Aedes did not ask for. A WebSocket's stream can be guarded in the same way.
 *
 * @param stream the raw connection, before Aedes is given it
 * @param limits the limit; the first packet has a smaller one by its nature
 * @param onRefused told once, when the connection is closed
 */
export function guardPackets(
  stream: Readable,
  limits: PacketLimits,
  onRefused: (fault: PacketFault) => void = () => {},
): void {
  const measure = createPacketGauge(limits);
  const read = stream.read.bind(stream);
  stream.read = (size?: number): unknown => {
    const chunk: unknown = read(size);
    if (!(chunk instanceof Uint8Array)) return chunk;
    const fault = measure(chunk);
    if (fault === undefined) return chunk;
    stream.destroy();
    onRefused(fault);
    return null;
  };
}

/**
 * Follows the packets of one connection through its chunks, which may cut them anywhere.
 *
 * @param limits see {@link PacketLimits}
 * @returns a function to give each chunk to; it returns the first fault, after which the connection has to be closed
 */
export function createPacketGauge(limits: PacketLimits): (chunk: Uint8Array) => PacketFault | undefined {
  let awaitsConnect = true;
  // -1 while the first byte of a packet is awaited, then the number of length bytes had.
  let lengthBytes = -1;
  let announcedBytes = 0;
  let bodyLeftBytes = 0;

  return (chunk) => {
    let offset = 0;
    while (offset < chunk.byteLength) {
      if (bodyLeftBytes > 0) {
        const step = Math.min(bodyLeftBytes, chunk.byteLength - offset);
        bodyLeftBytes -= step;
        offset += step;
        continue;
      }
      const byte = chunk[offset] ?? 0;
      offset += 1;
      if (lengthBytes < 0) {
        // [MQTT-3.1.0-1] The first packet of a connection is a CONNECT. Aedes would keep others waiting for it.
        if (awaitsConnect && byte >> 4 !== connectType) return "no-connect";
        lengthBytes = 0;
        announcedBytes = 0;
        continue;
      }
      announcedBytes += (byte & 0x7f) * 128 ** lengthBytes;
      lengthBytes += 1;
      const limitBytes = awaitsConnect ? Math.min(connectLimitBytes, limits.limitBytes) : limits.limitBytes;
      if (1 + lengthBytes + announcedBytes > limitBytes) return "too-big";
      if ((byte & 0x80) !== 0) {
        // MQTT 3.1.1, 2.2.3: the remaining length has at most four bytes.
        if (lengthBytes === 4) return "malformed-length";
        continue;
      }
      bodyLeftBytes = announcedBytes;
      lengthBytes = -1;
      awaitsConnect = false;
    }
    return undefined;
  };
}
