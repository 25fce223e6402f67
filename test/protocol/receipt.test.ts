import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { advanceState, isSettled, type MessageState, receiptStates } from "../../protocol/receipt.ts";

const states: MessageState[] = ["queued", "sent", ...receiptStates];
const anyState = fc.constantFrom(...states);

describe("[RCPT-3] the state of a message", () => {
  it("never moves back: a state that was reached again changes nothing", () => {
    fc.assert(
      fc.property(anyState, anyState, (held, stated) => {
        const reached = advanceState(held, stated);
        expect([held, stated]).toContain(reached);
        expect(advanceState(reached, stated)).toBe(reached);
        expect(advanceState(reached, held)).toBe(reached);
      }),
    );
  });

  it("does not depend on the order or the number of the statements", () => {
    fc.assert(
      fc.property(
        fc
          .array(anyState, { minLength: 1 })
          .chain((stated) => fc.tuple(fc.constant(stated), fc.shuffledSubarray(stated, { minLength: stated.length }))),
        ([stated, shuffled]) => {
          const reach = (order: MessageState[]) => order.reduce(advanceState, "queued");
          expect(reach(shuffled)).toBe(reach(stated));
          expect(reach([...stated, ...shuffled])).toBe(reach(stated));
        },
      ),
    );
  });

  it("goes through the story of one message", () => {
    const story: MessageState[] = ["queued", "sent", "received", "injected", "seen", "replied"];
    for (const [index, state] of story.entries()) {
      for (const earlier of story.slice(0, index)) {
        expect(advanceState(earlier, state)).toBe(state);
        expect(advanceState(state, earlier)).toBe(state);
      }
    }
  });

  it("[DEL-8] a late `received` corrects an `expired`, which ends only what nobody has", () => {
    for (const state of ["received", "injected", "seen", "replied", "denied"] as const) {
      expect(advanceState("expired", state)).toBe(state);
      expect(advanceState(state, "expired")).toBe(state);
    }
    expect(advanceState("queued", "expired")).toBe("expired");
    expect(advanceState("sent", "expired")).toBe("expired");
  });

  it("[DEL-3] a PUBACK settles nothing", () => {
    expect(states.filter((state) => !isSettled(state))).toEqual(["queued", "sent"]);
  });
});
