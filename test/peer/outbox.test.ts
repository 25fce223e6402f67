import { statSync } from "node:fs";
import { join } from "node:path";
import fc from "fast-check";
import { afterEach, describe, expect, it } from "vitest";
import { Outbox, outboxLimits, outboxLineSchema } from "../../peer/outbox.ts";
import { encodeEnvelope, envelopeLimitBytes } from "../../protocol/envelope.ts";
import { type OpenedJournal, openJournal } from "../../store/journal.ts";
import { stopEverything } from "../support/cleanup.ts";
import { temporaryHome } from "../support/temporary-home.ts";
import { envelopeOf } from "./sample-records.ts";

afterEach(stopEverything);

const noSeqs: ReadonlyMap<string, number> = new Map();

async function outboxFile(): Promise<string> {
  return join((await temporaryHome()).path, "outbox.jsonl");
}

function openOutbox(path: string, seqs = noSeqs): Outbox {
  return new Outbox(openJournal(path, outboxLineSchema), seqs);
}

function draftOf(id: string, parts: Parameters<typeof envelopeOf>[0] = {}) {
  const { seq: _seq, base: _base, ...draft } = envelopeOf({ id, trace: id, ...parts });
  return draft;
}

const openSeqs = (outbox: Outbox, box = "box-prod") => [...outbox.openTo(box)].map(({ envelope }) => envelope.seq);

/** A journal that keeps nothing, for what is about numbers and not about the disk. */
function forgetfulJournal(): OpenedJournal<never> {
  const journal = {
    append() {},
    appendText() {},
    note() {},
    rewrite() {},
    close() {},
    flush: async () => {},
    sizeBytes: () => 0,
  };
  return { journal, lines: [], damaged: 0, damagedPath: undefined };
}

describe("the numbers of messages", () => {
  it("count from 1 for each box, with the lowest open one as base [DEL-12] [DEL-13]", async () => {
    const outbox = openOutbox(await outboxFile());
    const numbers = (id: string, toBox: string) => {
      const { seq, base } = outbox.add(draftOf(id, { toBox })).envelope;
      return [seq, base];
    };
    expect(numbers("a1", "a")).toEqual([1, 1]);
    expect(numbers("b1", "b")).toEqual([1, 1]);
    expect(numbers("a2", "a")).toEqual([2, 1]);
    outbox.move("a2", "received");
    expect(numbers("a3", "a")).toEqual([3, 1]);
    outbox.move("a1", "expired");
    expect(numbers("a4", "a")).toEqual([4, 3]);
    outbox.move("a3", "denied");
    outbox.move("a4", "received");
    expect(outbox.baseOf("a")).toBeUndefined();
    expect(numbers("a5", "a")).toEqual([5, 5]);
    expect(outbox.openBoxes().sort()).toEqual(["a", "b"]);
    outbox.close();
  });

  it("go on after the last one of earlier instances [DEL-12]", async () => {
    const path = await outboxFile();
    const seqs = new Map([["box-prod", 41]]);
    const outbox = openOutbox(path, seqs);
    expect(outbox.add(draftOf("m1")).envelope).toMatchObject({ seq: 42, base: 42 });
    outbox.close();
    const again = openOutbox(path, seqs);
    expect(again.add(draftOf("m2")).envelope).toMatchObject({ seq: 43, base: 42 });
    again.close();
  });

  it("never start again, and nothing is lost, whatever happens before restarts [DEL-1] [DEL-12]", async () => {
    const steps = fc.array(
      fc.oneof(
        fc.record({ op: fc.constant("add" as const), box: fc.constantFrom("a", "b") }),
        fc.record({
          op: fc.constant("move" as const),
          pick: fc.nat(),
          state: fc.constantFrom("sent", "received", "expired", "denied", "injected", "seen", "replied"),
        }),
        fc.record({ op: fc.constant("restart" as const) }),
      ),
      { maxLength: 30 },
    );
    const folder = (await temporaryHome()).path;
    let run = 0;
    fc.assert(
      fc.property(steps, (script) => {
        run += 1;
        const path = join(folder, `${run}.jsonl`);
        let outbox = openOutbox(path);
        const last = new Map<string, number>();
        const ids: string[] = [];
        for (const step of script) {
          if (step.op === "add") {
            const id = `m${ids.length}`;
            const { seq } = outbox.add(draftOf(id, { toBox: step.box })).envelope;
            expect(seq).toBe((last.get(step.box) ?? 0) + 1);
            last.set(step.box, seq);
            ids.push(id);
          } else if (step.op === "move") outbox.move(ids[step.pick % ids.length] ?? "none", step.state);
          else {
            const before = {
              sent: outbox.sent(),
              a: openSeqs(outbox, "a"),
              b: openSeqs(outbox, "b"),
              open: outbox.openCount,
            };
            outbox.close();
            outbox = openOutbox(path);
            expect({
              sent: outbox.sent(),
              a: openSeqs(outbox, "a"),
              b: openSeqs(outbox, "b"),
              open: outbox.openCount,
            }).toEqual(before);
          }
        }
        outbox.close();
      }),
      { numRuns: 60 },
    );
  });
});

describe("states", () => {
  it("only move forward, and survive a restart with their reason [RCPT-3]", async () => {
    const path = await outboxFile();
    const outbox = openOutbox(path);
    outbox.add(draftOf("m1"));
    outbox.add(draftOf("m2"));
    outbox.add(draftOf("m3"));
    expect(outbox.move("m1", "sent")?.state).toBe("sent");
    expect(outbox.move("m1", "sent")).toBeUndefined();
    expect(outbox.move("m1", "queued")).toBeUndefined();
    expect(outbox.move("m1", "injected")?.state).toBe("injected");
    expect(outbox.move("m1", "received")).toBeUndefined();
    expect(outbox.move("m2", "denied", "not now")).toMatchObject({ state: "denied", reason: "not now" });
    expect(outbox.move("unknown", "received")).toBeUndefined();
    expect(openSeqs(outbox)).toEqual([3]);
    outbox.close();
    const again = openOutbox(path);
    expect(again.sent().map(({ id, state, reason }) => [id, state, reason])).toEqual([
      ["m1", "injected", undefined],
      ["m2", "denied", "not now"],
      ["m3", "queued", undefined],
    ]);
    expect(openSeqs(again)).toEqual([3]);
    again.close();
  });

  it("a late `received` corrects an `expired`, and settles it no second time [DEL-8]", async () => {
    const path = await outboxFile();
    const outbox = openOutbox(path);
    outbox.add(draftOf("m1"));
    outbox.add(draftOf("m2"));
    outbox.move("m1", "expired", "its time was over");
    expect(outbox.openCount).toBe(1);
    expect(outbox.move("m1", "received")).toMatchObject({ state: "received", reason: undefined });
    expect(outbox.move("m1", "expired")).toBeUndefined();
    expect(outbox.openCount).toBe(1);
    outbox.close();
    const again = openOutbox(path);
    expect(again.get("m1")?.state).toBe("received");
    expect(again.openCount).toBe(1);
    again.close();
  });
});

describe("limits and faults", () => {
  it("refuses the message after 10,000 that wait, and takes one again when one is settled [DEL-9]", () => {
    const outbox = new Outbox(forgetfulJournal(), noSeqs);
    for (let count = 0; count < outboxLimits.messages; count += 1) outbox.add(draftOf(`m${count}`));
    expect(() => outbox.add(draftOf("more"))).toThrow(expect.objectContaining({ code: "outbox-full", value: 10_000 }));
    expect(outbox.get("more")).toBeUndefined();
    outbox.move("m5000", "received");
    expect(outbox.add(draftOf("more")).envelope.seq).toBe(outboxLimits.messages + 1);
  });

  it("refuses what makes more than 64 MiB wait [DEL-9]", () => {
    const outbox = new Outbox(forgetfulJournal(), noSeqs);
    const body = "x".repeat(1_000_000);
    for (let count = 0; count < 67; count += 1) outbox.add(draftOf(`m${count}`, { body }));
    expect(() => outbox.add(draftOf("more", { body }))).toThrow(expect.objectContaining({ code: "outbox-full" }));
    expect(outbox.add(draftOf("small")).envelope.seq).toBe(68);
    for (let count = 0; count < 67; count += 1) outbox.move(`m${count}`, "received");
    expect(outbox.add(draftOf("more", { body })).envelope).toMatchObject({ seq: 69, base: 68 });
  });

  it("refuses what is too big before it takes a number [ENV-7]", async () => {
    const outbox = openOutbox(await outboxFile());
    expect(() => outbox.add(draftOf("big", { body: "x".repeat(1_048_577) }))).toThrow(
      expect.objectContaining({ code: "too-big" }),
    );
    expect(outbox.add(draftOf("m1")).envelope.seq).toBe(1);
    outbox.close();
  });

  it("refuses what would be too big when it is published later, with a higher base [ENV-8]", () => {
    const outbox = new Outbox(forgetfulJournal(), noSeqs);
    for (let seq = 1; seq <= 999; seq += 1) outbox.add(draftOf(`m${seq}`));
    // Each line feed takes two bytes on the wire: together with the other characters it is exactly the limit.
    const small = encodeEnvelope(envelopeOf({ ...draftOf("edge"), body: "", seq: 1_000, base: 1 })).length;
    const left = envelopeLimitBytes - small;
    const body = "\n".repeat(left - 1_040_000) + "x".repeat(2 * 1_040_000 - left);
    expect(() => outbox.add(draftOf("edge", { body }))).toThrow(expect.objectContaining({ code: "too-big" }));
    // Three digits less: the base may grow from 1 to 1,000.
    const { envelope } = outbox.add(draftOf("edge", { body: body.slice(0, -3) }));
    expect(encodeEnvelope({ ...envelope, base: envelope.seq })).toHaveLength(envelopeLimitBytes);
  });

  it("takes nothing that the disk refuses, and gives its number to the next one [DEL-1]", async () => {
    const path = await outboxFile();
    const opened = openJournal(path, outboxLineSchema);
    let isFull = false;
    const { appendText } = opened.journal;
    opened.journal.appendText = (text) => {
      if (isFull) opened.journal.close();
      appendText.call(opened.journal, text);
    };
    const outbox = new Outbox(opened, noSeqs);
    outbox.add(draftOf("m1"));
    isFull = true;
    expect(() => outbox.add(draftOf("m2"))).toThrow(expect.objectContaining({ code: "state-unusable" }));
    expect(outbox.get("m2")).toBeUndefined();
    expect(outbox.get("m1")?.state).toBe("queued");
    expect(openSeqs(outbox)).toEqual([1]);
    const again = openOutbox(path);
    expect(again.add(draftOf("m3")).envelope.seq).toBe(2);
    again.close();
  });

  it("keeps its file to its owner", async () => {
    const path = await outboxFile();
    openOutbox(path).close();
    expect(statSync(path).mode & 0o777).toBe(0o600);
  });
});
