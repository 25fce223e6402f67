import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { PairOrder } from "../../peer/order.ts";

const sequence = (length: number) => Array.from({ length }, (_, index) => index + 1);

describe("the order of one sender's messages, hazard 7", () => {
  it("releases every message once and in order, whatever order they come in [DEL-14]", () => {
    const arrivals = fc
      .integer({ min: 1, max: 40 })
      .chain((length) => fc.shuffledSubarray(sequence(length), { minLength: length }));
    fc.assert(
      fc.property(arrivals, (seqs) => {
        const order = new PairOrder<number>();
        const released = seqs.flatMap((seq) => order.push(seq, 1, seq).released);
        expect(released).toEqual(sequence(seqs.length));
        expect(order.isWaiting).toBe(false);
      }),
    );
  });

  it("waits for nothing below base [DEL-13] [DEL-14]", () => {
    const order = new PairOrder<string>();
    expect(order.push(7, 5, "seven")).toEqual({ released: [], late: false, missing: [5, 6] });
    expect(order.push(8, 7, "eight")).toEqual({ released: ["seven", "eight"], late: false, missing: [] });
  });

  it("does not believe a base above its own seq", () => {
    const order = new PairOrder<string>();
    expect(order.push(2, 900, "two").released).toEqual(["two"]);
    expect(order.push(3, 1, "three").released).toEqual(["three"]);
  });

  it("lets the rest pass when it gives up, and marks what comes after that as late [DEL-15]", () => {
    const order = new PairOrder<number>();
    order.push(2, 1, 2);
    order.push(4, 1, 4);
    expect(order.giveUp()).toEqual([2, 4]);
    expect(order.isWaiting).toBe(false);
    expect(order.push(1, 1, 1)).toEqual({ released: [1], late: true, missing: [] });
    expect(order.push(5, 1, 5)).toEqual({ released: [5], late: false, missing: [] });
  });

  it("loses nothing and doubles nothing however often it gives up", () => {
    const steps = fc.array(fc.oneof(fc.constant("give up" as const), fc.integer({ min: 1, max: 30 })), {
      maxLength: 80,
    });
    fc.assert(
      fc.property(steps, (script) => {
        const order = new PairOrder<number>();
        const had = new Set<number>();
        const released: number[] = [];
        for (const step of script) {
          if (step === "give up") released.push(...order.giveUp());
          else if (!had.has(step)) {
            had.add(step);
            released.push(...order.push(step, 1, step).released);
          }
        }
        released.push(...order.giveUp());
        expect([...released].sort((a, b) => a - b)).toEqual([...had].sort((a, b) => a - b));
      }),
    );
  });
});
