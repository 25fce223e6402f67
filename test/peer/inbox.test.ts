import { statSync } from "node:fs";
import { join } from "node:path";
import fc from "fast-check";
import { afterEach, describe, expect, it } from "vitest";
import { Inbox, inboxLineSchema } from "../../peer/inbox.ts";
import type { Envelope, InboxPayload } from "../../protocol/envelope.ts";
import { openJournal } from "../../store/journal.ts";
import { jsonValues } from "../protocol/arbitraries.ts";
import { stopEverything } from "../support/cleanup.ts";
import { temporaryHome } from "../support/temporary-home.ts";
import { envelopeOf } from "./sample-records.ts";

afterEach(stopEverything);

const nowMs = 1_795_240_000_123;

async function inboxFile(): Promise<string> {
  return join((await temporaryHome()).path, "inbox.jsonl");
}

const openInbox = (path: string) => new Inbox(openJournal(path, inboxLineSchema));

/** A message of dev with this number. */
function numbered(seq: number, parts: Partial<Envelope> = {}): InboxPayload {
  return { kind: "envelope", envelope: envelopeOf({ id: `m${seq}`, seq, ...parts }) };
}

const byHand = (body: Envelope["body"], parts = {}): InboxPayload => ({
  kind: "by-hand",
  message: { v: 1, body, ...parts },
});

const idsIn = (entries: { id: string }[]) => entries.map(({ id }) => id);

describe("accepting", () => {
  it("takes each id once, also after a restart [DEL-4]", async () => {
    const path = await inboxFile();
    const inbox = openInbox(path);
    expect(inbox.accept(numbered(1), true, nowMs)).toMatchObject({ kind: "new", id: "m1", missing: [] });
    expect(inbox.accept(numbered(1), true, nowMs)).toMatchObject({ kind: "duplicate", entry: { id: "m1" } });
    inbox.close();
    const again = openInbox(path);
    expect(again.accept(numbered(1), true, nowMs).kind).toBe("duplicate");
    expect(idsIn(again.entries())).toEqual(["m1"]);
    expect(again.accept(numbered(2), true, nowMs)).toMatchObject({ kind: "new", missing: [] });
    again.close();
  });

  it("does not wait again after a restart for one that was not taken [DEL-4] [DEL-14]", async () => {
    const path = await inboxFile();
    const inbox = openInbox(path);
    inbox.accept(numbered(1), true, nowMs);
    inbox.skip(envelopeOf({ id: "m2", seq: 2, base: 2 }));
    expect(inbox.accept(numbered(3, { base: 2 }), true, nowMs)).toMatchObject({
      released: [{ id: "m3" }],
      missing: [],
    });
    inbox.close();
    const again = openInbox(path);
    expect(idsIn(again.entries())).toEqual(["m1", "m3"]);
    expect(again.waitingBoxes()).toEqual([]);
    again.close();
  });

  it("answers a message that waits for an earlier one as a duplicate too [DEL-4] [RCPT-4]", async () => {
    const inbox = openInbox(await inboxFile());
    inbox.accept(numbered(2), true, nowMs);
    expect(inbox.accept(numbered(2), true, nowMs)).toMatchObject({ kind: "duplicate", entry: { state: "unread" } });
    expect(inbox.entries()).toEqual([]);
    inbox.close();
  });

  it("keeps what the sender said, and any body, over a restart [DEL-2]", async () => {
    const folder = (await temporaryHome()).path;
    let run = 0;
    fc.assert(
      fc.property(jsonValues, fc.boolean(), (body, verified) => {
        run += 1;
        const path = join(folder, `${run}.jsonl`);
        const inbox = openInbox(path);
        inbox.accept(numbered(1, { body, re: "q1", type: "result", hops: 3, trace: "t1" }), verified, nowMs);
        inbox.accept(byHand(body, { from: "ci" }), false, nowMs);
        const before = inbox.entries();
        expect(before[0]).toMatchObject({
          id: "m1",
          from: "dev",
          verified,
          re: "q1",
          type: "result",
          hops: 3,
          trace: "t1",
        });
        expect(before[0]?.body).toEqual(body);
        expect(before[1]).toMatchObject({
          from: "ci",
          verified: false,
          atMs: nowMs,
          re: null,
          type: "message",
          hops: 0,
        });
        inbox.close();
        const again = openInbox(path);
        // As text, because what goes through JSON has no minus zero.
        expect(JSON.stringify(again.entries())).toBe(JSON.stringify(before));
        again.close();
      }),
      { numRuns: 60 },
    );
  });

  it("gives a message by hand an id of its own, at once and in order of arrival [INBOX-6]", async () => {
    const inbox = openInbox(await inboxFile());
    inbox.accept(numbered(2), true, nowMs);
    for (const body of ["one", "two", "one"]) {
      expect(inbox.accept(byHand(body, { seq: 7, fromBox: "box-dev" }), false, nowMs)).toMatchObject({ missing: [] });
    }
    expect(inbox.entries().map(({ body }) => body)).toEqual(["one", "two", "one"]);
    expect(new Set(idsIn(inbox.entries())).size).toBe(3);
    expect(inbox.accept(byHand("three", { id: "h1" }), false, nowMs).kind).toBe("new");
    expect(inbox.accept(byHand("three", { id: "h1" }), false, nowMs).kind).toBe("duplicate");
    inbox.close();
  });

  it("accepts nothing that the disk refuses: the sender keeps it and sends it again [DEL-2]", async () => {
    const path = await inboxFile();
    const opened = openJournal(path, inboxLineSchema);
    const inbox = new Inbox(opened);
    inbox.accept(numbered(1), true, nowMs);
    inbox.mark(["m1"], "injected", "s1");
    opened.journal.close();
    const refusal = expect.objectContaining({ code: "state-unusable" });
    expect(() => inbox.accept(numbered(2), true, nowMs)).toThrow(refusal);
    expect(inbox.get("m2")).toBeUndefined();
    const again = openInbox(path);
    expect(again.accept(numbered(2), true, nowMs)).toMatchObject({ kind: "new", missing: [] });
    again.close();
  });

  it("is full at a number of messages, or of bytes, that nobody has taken or cleared [DEL-22]", async () => {
    const path = await inboxFile();
    const open = (limits: { messages: number; bytes: number }) => new Inbox(openJournal(path, inboxLineSchema), limits);
    const inbox = open({ messages: 3, bytes: 1_000 });
    for (const seq of [1, 2, 3]) {
      expect(inbox.isFull).toBe(false);
      inbox.accept(numbered(seq), true, nowMs);
    }
    expect(inbox.isFull).toBe(true);
    inbox.mark(["m1"], "injected", "s");
    expect(inbox.isFull).toBe(false);
    inbox.releaseSession("s");
    expect(inbox.isFull).toBe(true);
    inbox.markAttention(["m2"], "read");
    expect(inbox.isFull).toBe(true);
    inbox.markAttention(["m2"], "cleared");
    expect(inbox.isFull).toBe(false);
    inbox.accept(numbered(4, { body: { text: "ä".repeat(500) } }), true, nowMs);
    inbox.mark(["m1", "m3"], "seen");
    expect(inbox.isFull).toBe(true);
    inbox.close();
    const again = open({ messages: 3, bytes: 1_000 });
    expect(again.isFull).toBe(true);
    again.mark(["m4"], "seen");
    expect(again.isFull).toBe(false);
    again.close();
    const roomy = open({ messages: 3, bytes: 2_000 });
    expect(roomy.isFull).toBe(false);
    roomy.close();
  });

  it("keeps its file to its owner", async () => {
    const path = await inboxFile();
    openInbox(path).close();
    expect(statSync(path).mode & 0o777).toBe(0o600);
  });
});

describe("the order of each sender, hazard 7", () => {
  it("holds back what has a gap before it, also over a restart [DEL-14]", async () => {
    const path = await inboxFile();
    const inbox = openInbox(path);
    inbox.accept(numbered(1), true, nowMs);
    expect(inbox.accept(numbered(3), true, nowMs)).toMatchObject({ released: [], missing: [2] });
    inbox.accept(numbered(1, { id: "other", fromBox: "box-ops" }), true, nowMs);
    expect(idsIn(inbox.entries())).toEqual(["m1", "other"]);
    inbox.close();
    const again = openInbox(path);
    expect(idsIn(again.entries())).toEqual(["m1", "other"]);
    expect(again.waitingBoxes()).toEqual(["box-dev"]);
    const accepted = again.accept(numbered(2), true, nowMs);
    expect(accepted.kind === "new" && idsIn(accepted.released)).toEqual(["m2", "m3"]);
    expect(again.waitingBoxes()).toEqual([]);
    again.close();
  });

  it("lets the rest pass, marks what comes after it as late, and remembers both [DEL-15]", async () => {
    const path = await inboxFile();
    const inbox = openInbox(path);
    inbox.accept(numbered(2), true, nowMs);
    expect(inbox.giveUp("box-unknown")).toEqual([]);
    expect(idsIn(inbox.giveUp("box-dev"))).toEqual(["m2"]);
    expect(inbox.giveUp("box-dev")).toEqual([]);
    inbox.close();
    const again = openInbox(path);
    expect(idsIn(again.entries())).toEqual(["m2"]);
    expect(again.accept(numbered(1), true, nowMs)).toMatchObject({ kind: "new", released: [{ id: "m1", late: true }] });
    again.close();
    const third = openInbox(path);
    expect(third.entries().map(({ id, late }) => [id, late])).toEqual([
      ["m2", false],
      ["m1", true],
    ]);
    third.close();
  });

  it("is the same after a restart at any point [DEL-4] [DEL-14] [DEL-15]", async () => {
    const steps = fc.array(
      fc.oneof(
        fc.record({
          op: fc.constant("accept" as const),
          seq: fc.integer({ min: 1, max: 9 }),
          behind: fc.nat({ max: 8 }),
        }),
        fc.record({ op: fc.constant("give up" as const) }),
        fc.record({ op: fc.constant("restart" as const) }),
        fc.record({ op: fc.constant("mark" as const), seq: fc.integer({ min: 1, max: 9 }) }),
      ),
      { maxLength: 25 },
    );
    const folder = (await temporaryHome()).path;
    let run = 0;
    fc.assert(
      fc.property(steps, (script) => {
        run += 1;
        const path = join(folder, `${run}.jsonl`);
        let inbox = openInbox(path);
        for (const step of script) {
          if (step.op === "accept") {
            inbox.accept(numbered(step.seq, { base: Math.max(1, step.seq - step.behind) }), true, nowMs);
          } else if (step.op === "give up") inbox.giveUp("box-dev");
          else if (step.op === "mark") {
            if (inbox.entries().some(({ id }) => id === `m${step.seq}`)) inbox.mark([`m${step.seq}`], "seen", "s1");
          } else {
            const before = [inbox.entries(), inbox.waitingBoxes()];
            inbox.close();
            inbox = openInbox(path);
            expect([inbox.entries(), inbox.waitingBoxes()]).toEqual(before);
          }
        }
        inbox.close();
      }),
      { numRuns: 60 },
    );
  });
});

describe("what a session took, hazard 13", () => {
  it("is not given to it again where the disk does not take the note of it, and to the next one where it ended", async () => {
    const path = await inboxFile();
    const opened = openJournal(path, inboxLineSchema);
    const inbox = new Inbox(opened);
    for (const seq of [1, 2, 3]) inbox.accept(numbered(seq), true, nowMs);
    opened.journal.close();
    const refusal = expect.objectContaining({ code: "state-unusable" });
    expect(() => inbox.mark(["m1", "m2"], "injected", "s1")).toThrow(refusal);
    expect(idsIn(inbox.unread())).toEqual(["m3"]);
    expect(() => inbox.mark(["m1"], "seen")).toThrow(refusal);
    expect(() => inbox.releaseSession("s1")).toThrow(refusal);
    expect(idsIn(inbox.unread())).toEqual(["m2", "m3"]);
    const again = openInbox(path);
    expect(idsIn(again.unread())).toEqual(["m1", "m2", "m3"]);
    again.close();
  });

  it("moves forward only, and says what moved [RCPT-3]", async () => {
    const inbox = openInbox(await inboxFile());
    inbox.accept(numbered(1), true, nowMs);
    inbox.accept(numbered(2), true, nowMs);
    expect(idsIn(inbox.mark(["m1", "m2", "unknown"], "injected", "s1"))).toEqual(["m1", "m2"]);
    expect(inbox.mark(["m1"], "injected", "s2")).toEqual([]);
    expect(idsIn(inbox.mark(["m1"], "seen"))).toEqual(["m1"]);
    expect(inbox.get("m1")).toMatchObject({ state: "seen", session: "s1" });
    expect(inbox.mark(["m1"], "injected", "s3")).toEqual([]);
    expect(idsIn(inbox.mark(["m1"], "replied"))).toEqual(["m1"]);
    inbox.close();
  });

  it("is unread again when the session ends before a model saw it, and only that [SESS-8]", async () => {
    const path = await inboxFile();
    const inbox = openInbox(path);
    for (const seq of [1, 2, 3]) inbox.accept(numbered(seq), true, nowMs);
    inbox.mark(["m1", "m2"], "injected", "s1");
    inbox.mark(["m3"], "injected", "s2");
    inbox.mark(["m1"], "seen");
    expect(idsIn(inbox.releaseSession("s1"))).toEqual(["m2"]);
    expect(inbox.releaseSession("s1")).toEqual([]);
    const states = () => inbox.entries().map(({ state, session }) => [state, session]);
    expect(states()).toEqual([
      ["seen", "s1"],
      ["unread", undefined],
      ["injected", "s2"],
    ]);
    expect(idsIn(inbox.mark(["m2"], "injected", "s3"))).toEqual(["m2"]);
    inbox.close();
  });

  it("is unread again after a restart of the process, and what was seen stays seen [SESS-8]", async () => {
    const path = await inboxFile();
    const inbox = openInbox(path);
    for (const seq of [1, 2]) inbox.accept(numbered(seq), true, nowMs);
    inbox.mark(["m1", "m2"], "injected", "s1");
    inbox.mark(["m2"], "seen");
    inbox.close();
    for (let restart = 0; restart < 2; restart += 1) {
      const again = openInbox(path);
      expect(again.entries().map(({ state, session }) => [state, session])).toEqual([
        ["unread", undefined],
        ["seen", "s1"],
      ]);
      again.close();
    }
  });
});
