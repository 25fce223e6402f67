import { Readable } from "node:stream";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { createPacketGauge, defaultPacketLimitBytes, guardPackets } from "../../broker/guard.ts";

const connect = packet(0x10, 20);

function packet(type: number, bodyBytes: number): Buffer {
  return Buffer.concat([header(type, bodyBytes), Buffer.alloc(bodyBytes, 0xff)]);
}

function header(type: number, bodyBytes: number): Buffer {
  const bytes = [type];
  let left = bodyBytes;
  do {
    bytes.push((left % 128) | (left >= 128 ? 0x80 : 0));
    left = Math.floor(left / 128);
  } while (left > 0);
  return Buffer.from(bytes);
}

describe("the gauge of packets", () => {
  it("passes packets up to the limit, header included, and none above", () => {
    const limitBytes = 1_000;
    const largest = packet(0x30, limitBytes - 3);
    expect(largest.byteLength).toBe(limitBytes);
    const measure = createPacketGauge({ limitBytes });
    expect(measure(connect)).toBeUndefined();
    expect(measure(largest)).toBeUndefined();
    expect(measure(header(0x30, limitBytes - 2))).toBe("too-big");
  });

  it("refuses the largest packet that MQTT can announce at its header", () => {
    const measure = createPacketGauge({ limitBytes: defaultPacketLimitBytes });
    expect(measure(connect)).toBeUndefined();
    expect(measure(Buffer.from([0x30, 0xff, 0xff, 0xff, 0x7f]))).toBe("too-big");
  });

  it("refuses a remaining length of five bytes", () => {
    const measure = createPacketGauge({ limitBytes: 2 ** 40 });
    expect(measure(connect)).toBeUndefined();
    expect(measure(Buffer.from([0x30, 0x80, 0x80, 0x80, 0x80, 0x01]))).toBe("malformed-length");
  });

  it("refuses a connection that does not begin with a CONNECT, and a CONNECT larger than one can be", () => {
    expect(createPacketGauge({ limitBytes: defaultPacketLimitBytes })(packet(0x30, 5))).toBe("no-connect");
    expect(createPacketGauge({ limitBytes: defaultPacketLimitBytes })(header(0x10, 400_000))).toBe("too-big");
    expect(createPacketGauge({ limitBytes: defaultPacketLimitBytes })(header(0x10, 320_000))).toBeUndefined();
  });

  it("judges the same however the bytes are cut into chunks", () => {
    const sizes = fc.array(fc.integer({ min: 0, max: 400 }), { maxLength: 8 });
    fc.assert(
      fc.property(sizes, fc.array(fc.integer({ min: 1, max: 97 }), { minLength: 1, maxLength: 20 }), (bodies, cuts) => {
        const limitBytes = 300;
        const bytes = Buffer.concat([connect, ...bodies.map((size) => packet(0x32, size))]);
        const wanted = bodies.some((size) => header(0x32, size).byteLength + size > limitBytes) ? "too-big" : undefined;
        const measure = createPacketGauge({ limitBytes });
        let found: string | undefined;
        for (let offset = 0, index = 0; offset < bytes.byteLength && found === undefined; index += 1) {
          const step = cuts[index % cuts.length] ?? 1;
          found = measure(bytes.subarray(offset, offset + step));
          offset += step;
        }
        expect(found).toBe(wanted);
      }),
    );
  });

  it("accepts or refuses any bytes without throwing", () => {
    fc.assert(
      fc.property(fc.array(fc.uint8Array({ maxLength: 300 }), { maxLength: 10 }), (chunks) => {
        const measure = createPacketGauge({ limitBytes: 200 });
        for (const chunk of chunks) if (measure(chunk) !== undefined) break;
      }),
    );
  });
});

describe("a guarded stream", () => {
  it("hands the very same chunks on, and nothing of the chunk with the fault", async () => {
    const chunks = [connect, packet(0x30, 50), packet(0x30, 5_000)];
    const stream = new Readable({ read: () => {}, highWaterMark: 1 << 20 });
    const faults: string[] = [];
    guardPackets(stream, { limitBytes: 1_000 }, (fault) => faults.push(fault));
    const received: unknown[] = [];
    const closed = new Promise((resolve) => stream.once("close", resolve));
    stream.on("readable", () => {
      for (let chunk = stream.read(); chunk !== null; chunk = stream.read()) received.push(chunk);
    });
    for (const chunk of chunks) {
      stream.push(chunk);
      await new Promise(setImmediate);
    }
    await closed;
    expect(received[0]).toBe(chunks[0]);
    expect(received[1]).toBe(chunks[1]);
    expect(received).toHaveLength(2);
    expect(faults).toEqual(["too-big"]);
  });
});
