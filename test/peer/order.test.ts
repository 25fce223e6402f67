import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { PairOrder } from "../../peer/order.ts";

const sequence = (length: number) => Array.from({ length }, (_, index) => index + 1);

/** A sender that sees some of its messages settled before it sends the next: the base of each, and who may get lost. */
const conversations = fc
  .array(
    fc.record({
      /** How far `base` has moved towards this message, from 0 to 1. */
      settled: fc.double({ min: 0, max: 1, noNaN: true }),
      /** Settled without being had: its time was over at the sender's. */
      gone: fc.boolean(),
    }),
    { minLength: 1, maxLength: 30 },
  )
  .chain((messages) => {
    let base = 1;
    const numbered = messages.map(({ settled, gone }, index) => {
      const seq = index + 1;
      base = Math.max(base, 1 + Math.floor(settled * (seq - 1)));
      return { seq, base, gone };
    });
    // What is at or above the last base is on its way and will come.
    const coming = numbered.filter(({ seq, gone }) => seq >= base || !gone);
    return fc.shuffledSubarray(coming, { minLength: coming.length });
  });

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

  it("releases all but the late ones in order, each once, and waits for none that is settled [DEL-13] [DEL-14]", () => {
    fc.assert(
      fc.property(conversations, (arrivals) => {
        const order = new PairOrder<number>();
        const inOrder: number[] = [];
        const late: number[] = [];
        let base = 1;
        for (const arrival of arrivals) {
          base = Math.max(base, arrival.base);
          const step = order.push(arrival.seq, arrival.base, arrival.seq);
          if (step.late) expect(step.released).toEqual([arrival.seq]);
          (step.late ? late : inOrder).push(...step.released);
          for (const seq of step.missing) expect(seq).toBeGreaterThanOrEqual(base);
          expect(step.missing.length > 0).toBe(order.isWaiting);
        }
        expect(order.isWaiting).toBe(false);
        expect(inOrder).toEqual(inOrder.toSorted((a, b) => a - b));
        expect([...inOrder, ...late].sort((a, b) => a - b)).toEqual(
          arrivals.map(({ seq }) => seq).sort((a, b) => a - b),
        );
        // Late is only what came after a base above it, in a message that came before it.
        for (const seq of late) {
          const index = arrivals.findIndex((arrival) => arrival.seq === seq);
          expect(arrivals.slice(0, index).some((before) => before.base > seq)).toBe(true);
        }
      }),
    );
  });

  it("waits for nothing below base [DEL-13] [DEL-14]", () => {
    const order = new PairOrder<string>();
    expect(order.push(7, 5, "seven")).toEqual({ released: [], late: false, missing: [5, 6] });
    expect(order.push(8, 7, "eight")).toEqual({ released: ["seven", "eight"], late: false, missing: [] });
  });

  it("lets through what waits below a base that moves on, in order, and marks what comes after it as late", () => {
    const order = new PairOrder<number>();
    order.push(4, 1, 4);
    order.push(2, 1, 2);
    expect(order.push(6, 5, 6)).toEqual({ released: [2, 4], late: false, missing: [5] });
    expect(order.push(3, 1, 3)).toEqual({ released: [3], late: true, missing: [5] });
    expect(order.push(5, 5, 5)).toEqual({ released: [5, 6], late: false, missing: [] });
  });

  it("asks for no more than one request may name, the lowest first [DEL-14]", () => {
    const order = new PairOrder<string>();
    const { missing } = order.push(Number.MAX_SAFE_INTEGER, 11, "far away");
    expect(missing).toEqual(Array.from({ length: 200 }, (_, index) => index + 11));
  });

  it("lets no message be hidden by another one of the same number", () => {
    const order = new PairOrder<string>();
    order.push(2, 1, "two");
    expect(order.push(2, 1, "another two").released).toEqual(["another two"]);
    expect(order.skip(2, 1)).toEqual([]);
    expect(order.push(1, 1, "one").released).toEqual(["one", "two"]);
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

  it("has nothing to give up where nothing waits [DEL-15]", () => {
    const order = new PairOrder<number>();
    expect(order.giveUp()).toEqual([]);
    expect(order.push(1, 1, 1)).toEqual({ released: [1], late: false, missing: [] });
    expect(order.giveUp()).toEqual([]);
    expect(order.push(2, 2, 2)).toEqual({ released: [2], late: false, missing: [] });
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
        const push = (seq: number) => {
          had.add(seq);
          const step = order.push(seq, 1, seq);
          // Late is what comes after a later one was let through, and nothing else.
          expect(step.late).toBe(released.some((other) => other > seq));
          released.push(...step.released);
        };
        for (const step of script) {
          if (step === "give up") released.push(...order.giveUp());
          else if (!had.has(step)) push(step);
        }
        released.push(...order.giveUp());
        expect([...released].sort((a, b) => a - b)).toEqual([...had].sort((a, b) => a - b));
      }),
    );
  });
});
