import { describe, expect, it } from "vitest";
import type { Figure } from "../../bench/figure.ts";
import { type Goal, judge } from "../../bench/goal.ts";

const figure = (subject: string, rounds: number[]): Figure => ({
  scene: "one message",
  subject,
  quantity: "p50",
  unit: "ms",
  rounds,
});
const pick = (subject: string) => ({ scene: "one message", subject, quantity: "p50" });

describe("a goal", () => {
  it("divides round by round and takes the middle", () => {
    // The second round was slow for both: the ratio of the medians would be 2 / 2.
    const figures = [figure("ours", [1, 8, 2]), figure("theirs", [2, 4, 1])];
    const goal: Goal = { title: "ours over theirs", figure: pick("ours"), over: pick("theirs"), atMost: 1.25 };
    expect(judge(goal, figures)).toEqual({
      goal,
      value: { median: 2, min: 0.5, max: 2 },
      unit: "×",
      isReached: false,
    });
    expect(judge({ ...goal, atMost: 2 }, figures).isReached).toBe(true);
  });

  it("is not reached by what was not measured", () => {
    const goal: Goal = { title: "ours", figure: pick("ours"), atLeast: 0 };
    expect(judge(goal, [figure("theirs", [1])])).toMatchObject({ value: undefined, isReached: false });
    expect(judge({ ...goal, over: pick("theirs") }, [figure("ours", [1])])).toMatchObject({ value: undefined });
  });
});
