import { describe, expect, it } from "vitest";
import { Chain, chainMs } from "../../peer/chain.ts";
import { hopsLimit } from "../../protocol/envelope.ts";

describe("what a face without a person carries on", () => {
  it("is one more than the largest of the last 10 minutes [SESS-10] (hazard 15)", () => {
    let nowMs = 0;
    const chain = new Chain(() => nowMs);
    expect(chain.next()).toEqual({ hops: 0 });
    chain.note({ hops: 4, trace: "four" });
    nowMs = 1_000;
    chain.note({ hops: 2, trace: "two" });
    expect(chain.next()).toEqual({ hops: 5, trace: "four" });
    nowMs = chainMs;
    expect(chain.next()).toEqual({ hops: 5, trace: "four" });
    nowMs = chainMs + 1;
    expect(chain.next()).toEqual({ hops: 3, trace: "two" });
    nowMs = chainMs + 1_001;
    expect(chain.next()).toEqual({ hops: 0 });
  });

  it("is refused above the limit, but can be looked at, and ends with a person's word [SESS-11]", () => {
    const chain = new Chain(() => 0);
    chain.note({ hops: hopsLimit - 1, trace: "long" });
    expect(chain.next()).toEqual({ hops: hopsLimit, trace: "long" });
    chain.note({ hops: hopsLimit, trace: "longer" });
    expect(() => chain.next()).toThrow(expect.objectContaining({ code: "not-approved" }));
    expect(chain.look()).toEqual({ hops: hopsLimit + 1, trace: "longer" });
    chain.restart();
    expect(chain.next()).toEqual({ hops: 0 });
  });
});
