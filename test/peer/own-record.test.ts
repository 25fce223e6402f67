import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import type { Grant } from "../../peer/grants.ts";
import { OwnRecord } from "../../peer/own-record.ts";
import { presenceOf } from "./sample-records.ts";

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

/** The care of a member of epoch "own" for its record, with the host's word as given. */
function makeCare(parts: { isHost?: boolean; askGrant?: () => Promise<Grant | null | undefined> } = {}) {
  const announce = vi.fn<() => void>();
  const onDisplaced = vi.fn();
  const askGrant = vi.fn(parts.askGrant ?? (async () => undefined));
  const care = new OwnRecord({ epoch: "own", isHost: parts.isHost ?? false, announce, askGrant, onDisplaced });
  return { care, announce, askGrant, onDisplaced };
}

const own = presenceOf({ epoch: "own" });
const rival = presenceOf({ epoch: "rival", box: "box-rival" });

describe("the care for the own record, hazard 8", () => {
  it("repairs what is empty, lost or left, also by another life, and asks nobody [PRES-13]", async () => {
    const states = ["lost", "left"] as const;
    const records = [undefined, ...[own, rival].flatMap((life) => states.map((state) => ({ ...life, state })))];
    for (const record of records) {
      const { care, announce, askGrant } = makeCare();
      care.check(record);
      await vi.advanceTimersByTimeAsync(0);
      expect(announce).toHaveBeenCalledOnce();
      expect(askGrant).not.toHaveBeenCalled();
      care.close();
    }
  });

  it("leaves its own birth alone", async () => {
    const { care, announce, askGrant } = makeCare();
    care.check(own);
    await vi.advanceTimersByTimeAsync(60_000);
    expect(announce).not.toHaveBeenCalled();
    expect(askGrant).not.toHaveBeenCalled();
  });

  it("repairs once a second at the most, however often it is overwritten [PRES-13]", async () => {
    const { care, announce } = makeCare();
    const births: number[] = [];
    announce.mockImplementation(() => {
      births.push(performance.now());
      // A rival answers each birth at once.
      for (let count = 0; count < 20; count += 1) care.check(undefined);
    });
    care.check(undefined);
    await vi.advanceTimersByTimeAsync(10_000);
    expect(births).toHaveLength(11);
    for (const [index, atMs] of births.slice(1).entries())
      expect(atMs - (births[index] ?? 0)).toBeGreaterThanOrEqual(1_000);
    care.close();
    await vi.advanceTimersByTimeAsync(10_000);
    expect(births).toHaveLength(11);
  });

  it("repairs an online record of another life only with the host's word [PRES-14]", async () => {
    for (const grant of [{ epoch: "own", box: "box1" }, null]) {
      const answer = Promise.withResolvers<Grant | null | undefined>();
      const { care, announce, askGrant, onDisplaced } = makeCare({ askGrant: () => answer.promise });
      care.check(rival);
      care.check(rival);
      await vi.advanceTimersByTimeAsync(2_900);
      expect(announce).not.toHaveBeenCalled();
      expect(askGrant).toHaveBeenCalledOnce();
      answer.resolve(grant);
      await vi.advanceTimersByTimeAsync(0);
      expect(announce).toHaveBeenCalledOnce();
      expect(onDisplaced).not.toHaveBeenCalled();
      care.close();
    }
  });

  it("stops where the name is another life's [PRES-15]", async () => {
    const { care, announce, onDisplaced } = makeCare({ askGrant: async () => ({ epoch: "rival", box: "box-rival" }) });
    care.check(rival);
    await vi.advanceTimersByTimeAsync(5_000);
    expect(onDisplaced).toHaveBeenCalledExactlyOnceWith(rival);
    expect(announce).not.toHaveBeenCalled();
  });

  it.each([
    ["does not answer", async () => undefined],
    ["cannot be asked", () => Promise.reject(new Error("no connection"))],
  ])("leaves the record alone while the host %s, and asks again at the next one [PRES-14]", async (_why, askGrant) => {
    const { care, announce, askGrant: asked, onDisplaced } = makeCare({ askGrant });
    care.check(rival);
    await vi.advanceTimersByTimeAsync(60_000);
    expect(announce).not.toHaveBeenCalled();
    expect(onDisplaced).not.toHaveBeenCalled();
    care.check(rival);
    expect(asked).toHaveBeenCalledTimes(2);
  });

  it("repairs the host's own record without asking: it grants the names itself", async () => {
    const { care, announce, askGrant } = makeCare({ isHost: true });
    care.check(rival);
    await vi.advanceTimersByTimeAsync(0);
    expect(announce).toHaveBeenCalledOnce();
    expect(askGrant).not.toHaveBeenCalled();
  });

  it("does nothing more when it is closed, also when the host's answer comes later", async () => {
    const answer = Promise.withResolvers<Grant | null | undefined>();
    const { care, announce, onDisplaced } = makeCare({ askGrant: () => answer.promise });
    care.check(rival);
    care.check(undefined);
    care.close();
    answer.resolve({ epoch: "rival", box: "box-rival" });
    care.check(undefined);
    await vi.advanceTimersByTimeAsync(60_000);
    expect(announce).not.toHaveBeenCalled();
    expect(onDisplaced).not.toHaveBeenCalled();
  });
});
