import { describe, expect, it } from "vitest";
import { seededRandom } from "../../torture/random.ts";
import { makeSchedule, type Plan } from "../../torture/schedule.ts";

const plan: Plan = { seed: 7, forMs: 120_000, networks: 2, peers: 4 };

describe("the schedule of a torture", () => {
  it("is the same for the same seed, and another for another", () => {
    expect(makeSchedule(plan)).toEqual(makeSchedule(plan));
    expect(makeSchedule({ ...plan, seed: 8 })).not.toEqual(makeSchedule(plan));
  });

  it("is in the order of time, and nothing in it outlasts it", () => {
    const steps = makeSchedule(plan);
    expect(steps.map(({ atMs }) => atMs)).toEqual(steps.map(({ atMs }) => atMs).sort((one, other) => one - other));
    const lasting = steps.flatMap(({ atMs, action }) => ("forMs" in action ? atMs + action.forMs : []));
    // The end of a host is not shortened: the next one comes when all is healed at the latest.
    expect(Math.max(...lasting)).toBeLessThanOrEqual(plan.forMs + 6_000);
  });

  it("has every kind of fault over some seeds", () => {
    const kinds = new Set<string>();
    for (let seed = 1; seed <= 10; seed += 1) {
      for (const { action } of makeSchedule({ ...plan, seed })) {
        kinds.add(action.do === "broker" ? `broker ${action.how}` : action.do);
      }
    }
    expect([...kinds].sort()).toEqual([
      "broker freeze",
      "broker kill",
      "broker kill-and-wipe",
      "broker restart",
      "crash",
      "cut",
      "disorder",
      "end-host",
      "fill-disk",
      "freeze",
      "leave",
      "partition",
      "replace",
      "send",
      "slow",
      "stall",
    ]);
  });

  it("names only peers and networks of its plan, and nobody sends to itself", () => {
    for (const { action } of makeSchedule(plan)) {
      if (action.do === "broker") continue;
      expect(action.network).toBeLessThan(plan.networks);
      expect(action.peer).toBeLessThan(plan.peers);
      if (action.do === "send" && action.to !== "all") expect(action.to).not.toContain(action.peer);
    }
  });

  it("never begins a fault on a line while another one of that line lasts", () => {
    const untilMs = new Map<string, number>();
    for (const { atMs, action } of makeSchedule({ ...plan, forMs: 600_000 })) {
      if (!["cut", "partition", "stall", "slow"].includes(action.do) || !("peer" in action) || !("forMs" in action)) {
        continue;
      }
      const key = `${action.network} ${action.peer}`;
      expect(untilMs.get(key) ?? 0).toBeLessThanOrEqual(atMs);
      untilMs.set(key, atMs + action.forMs);
    }
    expect(untilMs.size).toBeGreaterThan(4);
  });

  it("refuses a network of one", () => {
    expect(() => makeSchedule({ ...plan, peers: 1 })).toThrow("2 to 8 peers, not 1");
  });
});

describe("the numbers of a torture", () => {
  it("spread evenly, also for neighbouring seeds", () => {
    const firsts = Array.from({ length: 1_000 }, (_, seed) => seededRandom(seed).next());
    const mean = firsts.reduce((sum, value) => sum + value, 0) / firsts.length;
    expect(mean).toBeGreaterThan(0.45);
    expect(mean).toBeLessThan(0.55);
    expect(new Set(firsts).size).toBeGreaterThan(990);
  });

  it("have nothing to pick from an empty list", () => {
    expect(() => seededRandom(1).pick([])).toThrow(RangeError);
  });
});
