import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { PassThrough } from "node:stream";
import { describe, expect, it } from "vitest";
import { Outbound } from "../../broker/outbound.ts";

/** A connection that notes what it is given in one piece. */
function makeConnection(highWaterMark = 1 << 20): { stream: PassThrough; pieces: Buffer[]; outbound: Outbound } {
  const stream = new PassThrough({ highWaterMark });
  const pieces: Buffer[] = [];
  stream.write = (piece: unknown): boolean => {
    if (Buffer.isBuffer(piece)) pieces.push(Buffer.from(piece));
    return true;
  };
  return { stream, pieces, outbound: new Outbound(stream) };
}

describe("what is written to a client", () => {
  it("is one piece for a packet that is written in several, as mqtt-packet does", () => {
    const { stream, pieces } = makeConnection();
    stream.cork();
    for (const piece of [Buffer.from([0x32]), Buffer.from([10]), "t/é", Buffer.from([0, 7]), "body"])
      stream.write(piece);
    expect(pieces).toEqual([]);
    stream.uncork();
    expect(pieces).toEqual([Buffer.concat([Buffer.from([0x32, 10]), Buffer.from("t/é"), Buffer.from("\0\x07body")])]);
  });

  it("is held back as often as it was asked for, and goes out in order, large pieces too", () => {
    const { stream, pieces, outbound } = makeConnection();
    const sizes = [1, 600, 5, 20_000, 16_384, 0, 3, 100_000, 2];
    const written = sizes.map((size) => randomBytes(size));
    outbound.hold();
    outbound.hold();
    for (const piece of written) stream.write(piece);
    outbound.release();
    const sentBytes = Buffer.concat(pieces).byteLength;
    expect(sentBytes + outbound.waitingBytes).toBe(Buffer.concat(written).byteLength);
    expect(outbound.waitingBytes).toBe(2);
    outbound.release();
    expect(outbound.waitingBytes).toBe(0);
    expect(Buffer.concat(pieces)).toEqual(Buffer.concat(written));
    // Two large ones, and what was before, between and behind them.
    expect(pieces).toHaveLength(5);
  });

  it("does not change in a piece that is on its way", () => {
    const { stream, pieces } = makeConnection();
    stream.write(Buffer.from("one"));
    stream.write(Buffer.from("two"));
    expect(pieces.map(String)).toEqual(["one", "two"]);
  });

  it("is too much when the connection is full, and only where it will tell that there is room again", async () => {
    const stream = new PassThrough({ highWaterMark: 10 });
    const outbound = new Outbound(stream);
    outbound.hold();
    expect(stream.write(Buffer.alloc(100))).toBe(true);
    const drained = once(stream, "drain");
    outbound.release();
    expect(stream.write(Buffer.alloc(1))).toBe(false);
    stream.resume();
    await drained;
    expect(stream.write(Buffer.alloc(1))).toBe(true);
  });

  it("goes out before the end", async () => {
    const stream = new PassThrough();
    const outbound = new Outbound(stream);
    outbound.hold();
    stream.write(Buffer.from("last words"));
    stream.end();
    expect((await stream.toArray()).map(String).join("")).toBe("last words");
  });
});
