import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { Dispatcher, repeatPauses, windowLimits } from "../../peer/dispatch.ts";
import type { OutboxEntry } from "../../peer/outbox.ts";
import { envelopeOf } from "./sample-records.ts";

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

const box = "box-prod";

/** A dispatcher over a list of entries; what it publishes is noted as `seq@ms`. */
function makeDispatcher(parts: { random?: () => number; publish?: () => Promise<void> } = {}) {
  const waiting = new Map<string, OutboxEntry[]>();
  const published: { seq: number; atMs: number }[] = [];
  const acknowledged: number[] = [];
  const reachable = new Set([box]);
  const startMs = performance.now();
  const dispatcher = new Dispatcher({
    openFrom: (to, seq) => (waiting.get(to) ?? []).filter(({ envelope }) => envelope.seq >= seq),
    openBoxes: () => [...waiting.keys()],
    isReachable: (_name, to) => reachable.has(to),
    publish: (entry) => {
      published.push({ seq: entry.envelope.seq, atMs: performance.now() - startMs });
      return parts.publish?.() ?? Promise.resolve();
    },
    onPublished: (entry) => acknowledged.push(entry.envelope.seq),
    nowMs: () => performance.now(),
    random: parts.random ?? (() => 0.5),
  });
  const add = (count: number, { to = box, sizeBytes = 100 } = {}) => {
    const list = waiting.get(to) ?? [];
    waiting.set(to, list);
    const first = (list.at(-1)?.envelope.seq ?? 0) + 1;
    for (let seq = first; seq < first + count; seq += 1) {
      const envelope = envelopeOf({ id: `${to}-${seq}`, toBox: to, seq });
      list.push({ envelope, sizeBytes, state: "queued", reason: undefined });
    }
    dispatcher.pump(to);
  };
  const settle = (seq: number, to = box) => {
    const list = waiting.get(to) ?? [];
    const settled = list.find(({ envelope }) => envelope.seq === seq) ?? expect.fail(`no entry ${seq}`);
    waiting.set(
      to,
      list.filter((entry) => entry !== settled),
    );
    dispatcher.settle(settled);
  };
  return { dispatcher, add, settle, reachable, acknowledged, published, seqs: () => published.map(({ seq }) => seq) };
}

const upTo = (last: number, first = 1) => Array.from({ length: last - first + 1 }, (_, index) => first + index);

describe("what goes out when", () => {
  it("is everything at once and in order, up to 64 to one receiver; the next when one is settled [DEL-7]", () => {
    const { add, settle, seqs } = makeDispatcher();
    add(windowLimits.messages + 10);
    expect(seqs()).toEqual(upTo(64));
    settle(30);
    settle(1);
    expect(seqs()).toEqual(upTo(66));
    add(5);
    expect(seqs()).toEqual(upTo(66));
  });

  it("is no more than 8 MiB to one receiver, and one message at least [DEL-7]", () => {
    const { add, settle, seqs } = makeDispatcher();
    add(10, { sizeBytes: windowLimits.bytes / 4 });
    expect(seqs()).toEqual([1, 2, 3, 4]);
    settle(2);
    expect(seqs()).toEqual([1, 2, 3, 4, 5]);
    const large = makeDispatcher();
    large.add(2, { sizeBytes: windowLimits.bytes + 1 });
    expect(large.seqs()).toEqual([1]);
  });

  it("is not held up by another receiver's window [DEL-7]", () => {
    const { add, reachable, seqs } = makeDispatcher();
    reachable.add("box-other");
    add(64);
    add(1, { to: "box-other" });
    expect(seqs()).toEqual([...upTo(64), 1]);
  });

  it("is nothing while the receiver is away, and all of it at once when it is back [DEL-6]", async () => {
    const { dispatcher, add, reachable, published, seqs } = makeDispatcher();
    reachable.clear();
    add(3);
    await vi.advanceTimersByTimeAsync(600_000);
    expect(published).toEqual([]);
    expect(vi.getTimerCount()).toBe(0);
    reachable.add(box);
    dispatcher.resume(box);
    expect(seqs()).toEqual([1, 2, 3]);
  });

  it("is told when the broker has it, and not when the connection ended before [DEL-3]", async () => {
    const { add, acknowledged } = makeDispatcher();
    add(2);
    await vi.advanceTimersByTimeAsync(0);
    expect(acknowledged).toEqual([1, 2]);
    const broken = makeDispatcher({ publish: () => Promise.reject(new Error("the connection ended")) });
    broken.add(1);
    await vi.advanceTimersByTimeAsync(0);
    expect(broken.acknowledged).toEqual([]);
  });
});

describe("what has no receipt", () => {
  it("goes out again after 2, 4, 8 … 60 s [DEL-5]", async () => {
    const { add, published } = makeDispatcher();
    add(1);
    await vi.advanceTimersByTimeAsync(300_000);
    const pauses = published.slice(1).map(({ atMs }, index) => atMs - (published[index]?.atMs ?? 0));
    expect(pauses.map((ms) => Math.round(ms / 1_000))).toEqual([2, 4, 8, 16, 32, 60, 60, 60]);
  });

  it.each([
    ["the shortest", 0, 0.8],
    ["the longest", 1, 1.2],
  ])("goes out again within ± 20 %%: %s pause [DEL-5]", async (_which, random, factor) => {
    const { add, published } = makeDispatcher({ random: () => random });
    add(1);
    await vi.advanceTimersByTimeAsync(factor * repeatPauses.firstMs - 10);
    expect(published).toHaveLength(1);
    await vi.advanceTimersByTimeAsync(20);
    expect(published).toHaveLength(2);
    await vi.advanceTimersByTimeAsync(factor * 2 * repeatPauses.firstMs - 30);
    expect(published).toHaveLength(2);
    await vi.advanceTimersByTimeAsync(40);
    expect(published).toHaveLength(3);
  });

  it("does not go out again once it is settled [DEL-1]", async () => {
    const { add, settle, seqs } = makeDispatcher();
    add(2);
    settle(1);
    await vi.advanceTimersByTimeAsync(2_000);
    expect(seqs()).toEqual([1, 2, 2]);
    settle(2);
    expect(vi.getTimerCount()).toBe(0);
  });

  it("rests while the receiver is away: nothing is repeated, and no timer runs for it [DEL-5] [DEL-6]", async () => {
    const { dispatcher, add, reachable, seqs } = makeDispatcher();
    add(2);
    reachable.clear();
    await vi.advanceTimersByTimeAsync(600_000);
    expect(seqs()).toEqual([1, 2]);
    expect(vi.getTimerCount()).toBe(0);
    reachable.add(box);
    dispatcher.resume(box);
    expect(seqs()).toEqual([1, 2, 1, 2]);
  });

  it("goes out again at once, and with short pauses again, when the own connection is back [DEL-6]", async () => {
    const { dispatcher, add, reachable, published, seqs } = makeDispatcher();
    reachable.add("box-other");
    add(2);
    add(1, { to: "box-other" });
    await vi.advanceTimersByTimeAsync(20_000);
    published.length = 0;
    dispatcher.resume();
    expect(seqs()).toEqual([1, 2, 1]);
    await vi.advanceTimersByTimeAsync(2_000);
    expect(seqs()).toEqual([1, 2, 1, 1, 2, 1]);
  });
});

describe("what the receiver misses", () => {
  it("goes out again at once, if it is still on its way [DEL-18]", () => {
    const { dispatcher, add, settle, seqs, published } = makeDispatcher();
    add(70);
    settle(2);
    published.length = 0;
    dispatcher.repeat(box, [4, 3, 2, 70, 999]);
    // 2 is settled, 70 is beyond the window and goes out in its turn.
    expect(seqs()).toEqual([3, 4]);
    dispatcher.repeat("box-unknown", [1]);
    expect(seqs()).toEqual([3, 4]);
  });

  it("is not repeated by its own timer right after it [DEL-5]", async () => {
    const { dispatcher, add, seqs } = makeDispatcher();
    add(1);
    await vi.advanceTimersByTimeAsync(1_900);
    dispatcher.repeat(box, [1]);
    await vi.advanceTimersByTimeAsync(3_900);
    expect(seqs()).toEqual([1, 1]);
    await vi.advanceTimersByTimeAsync(200);
    expect(seqs()).toEqual([1, 1, 1]);
  });
});

it("a closed dispatcher publishes nothing, tells nothing and keeps no timer", async () => {
  const broker = Promise.withResolvers<void>();
  const { dispatcher, add, acknowledged, seqs } = makeDispatcher({ publish: () => broker.promise });
  add(1);
  dispatcher.close();
  dispatcher.close();
  broker.resolve();
  dispatcher.pump(box);
  dispatcher.resume();
  dispatcher.repeat(box, [1]);
  await vi.advanceTimersByTimeAsync(600_000);
  expect(seqs()).toEqual([1]);
  expect(acknowledged).toEqual([]);
  expect(vi.getTimerCount()).toBe(0);
});
