import { describe, expect, it } from "vitest";
import { checkHistory } from "../../torture/checker.ts";
import type { HistoryRecord, RecordOf, Shown } from "../../torture/history.ts";

// The story of all tests: in network "lab" ada hosts the instance "net" (box A), bob is a member (box B).
const ada = { network: "lab", name: "ada", life: "life-a", net: "net", box: "A" };
const bob = { network: "lab", name: "bob", life: "life-b", net: "net", box: "B" };
const roster = [ada, bob].map(({ name, life }) => ({ name, epoch: life, state: "online" }));

function entered(peer: typeof ada, part: Partial<RecordOf<"entered">> = {}): HistoryRecord {
  return { t: 0, kind: "entered", ...peer, role: peer.name === "ada" ? "host" : "member", inbox: [], ...part };
}

function shown(id: string, seq: number, part: Partial<Shown> = {}): Shown {
  return { id, token: id, net: "net", fromBox: "A", seq, late: false, ...part };
}

function message(id: string, seq: number, part: Partial<Shown> = {}): HistoryRecord {
  return { t: 5, kind: "message", life: bob.life, shown: shown(id, seq, part) };
}

function inboxFile(messages: Shown[], part: { to?: string; toBox?: string; net?: string } = {}): HistoryRecord {
  const { to = "bob", toBox = "B", net = "net" } = part;
  const lines = messages.map((line) => ({ ...line, to, toBox }));
  return { t: 20, kind: "inbox-file", network: "lab", name: "bob", path: "/bob/inbox.jsonl", net, lines };
}

type OutLine = RecordOf<"outbox-file">["lines"][number];

function outboxFile(...parts: (Partial<OutLine> & { id: string })[]): HistoryRecord {
  const lines = parts.map((part, index) => ({
    token: part.id,
    net: "net",
    fromBox: "A",
    to: "bob",
    toBox: "B",
    seq: index + 1,
    at: 4,
    ttl: null,
    state: "received",
    ...part,
  }));
  return { t: 20, kind: "outbox-file", network: "lab", name: "ada", path: "/ada/outbox.jsonl", net: "net", lines };
}

function told(id: string, state = "received"): HistoryRecord {
  return { t: 6, kind: "told", life: ada.life, token: id, to: "bob", id, state, code: null };
}

function state(id: string, value: string, t = 6): HistoryRecord {
  return { t, kind: "state", life: ada.life, id, to: "bob", state: value, reason: null };
}

function testimony(peer: typeof ada, inbox: Shown[] = [], part: Partial<RecordOf<"testimony">> = {}): HistoryRecord {
  return { t: 19, kind: "testimony", ...peer, state: "active", roster, inbox, ...part };
}

/** Two messages of ada that bob got, and everything as it should be. */
function goodStory(): HistoryRecord[] {
  const both = [shown("m1", 1), shown("m2", 2)];
  return [
    entered(ada),
    entered(bob),
    told("m1"),
    told("m2"),
    message("m1", 1),
    message("m2", 2),
    state("m1", "sent", 5),
    state("m1", "received"),
    state("m2", "received"),
    { t: 18, kind: "calm", problems: [], rostersMs: 5, allMs: 9 },
    testimony(ada),
    testimony(bob, both),
    inboxFile(both),
    outboxFile({ id: "m1" }, { id: "m2" }),
  ];
}

/** The good story with other records in the place of some. */
function storyWithout(wrong: (record: HistoryRecord) => boolean, ...instead: HistoryRecord[]): HistoryRecord[] {
  return [...goodStory().filter((record) => !wrong(record)), ...instead];
}

const isKind =
  (...kinds: HistoryRecord["kind"][]) =>
  (record: HistoryRecord) =>
    kinds.includes(record.kind);

function violationsOf(records: HistoryRecord[]): string[] {
  return checkHistory(records).violations.map(({ promise, text }) => `${promise}: ${text}`);
}

describe("a history that keeps every promise", () => {
  it("has no violations", () => {
    const verdict = checkHistory(goodStory());
    expect(verdict.violations).toEqual([]);
    expect(verdict).toMatchObject({ messages: 2, received: 2, expired: 0, lives: 2, instances: 1 });
  });
});

describe("no loss", () => {
  const nothing = [testimony(ada), testimony(bob), inboxFile([])];
  const withoutArrival = isKind("message", "testimony", "inbox-file", "outbox-file", "state", "told");

  it("finds a message that was taken and never came", () => {
    const records = storyWithout(
      withoutArrival,
      told("m1", "queued"),
      outboxFile({ id: "m1", state: "sent" }),
      ...nothing,
    );
    expect(violationsOf(records)).toEqual([expect.stringMatching(/^no loss: m1 .* is lost/)]);
  });

  it("finds one that was told and is in no outbox", () => {
    const records = storyWithout(withoutArrival, told("m1", "queued"), outboxFile(), ...nothing);
    expect(violationsOf(records)).toEqual([expect.stringMatching(/^no loss: m1 .* is in no outbox file/)]);
  });

  it("finds one that expired although nothing ended", () => {
    const records = storyWithout(
      withoutArrival,
      told("m1", "queued"),
      outboxFile({ id: "m1", state: "expired" }),
      ...nothing,
    );
    expect(violationsOf(records)).toEqual([expect.stringMatching(/^no loss: m1 .* expired although/)]);
  });

  it("finds one that expired before its time", () => {
    const line = { id: "m1", state: "expired", at: 0, ttl: 5_000 };
    const at = (t: number) => [told("m1", "queued"), state("m1", "expired", t), outboxFile(line), ...nothing];
    expect(violationsOf(storyWithout(withoutArrival, ...at(1_000)))).toHaveLength(1);
    expect(violationsOf(storyWithout(withoutArrival, ...at(5_000)))).toEqual([]);
  });

  it("finds one of a closed network whose sender was not told", () => {
    const closed: HistoryRecord = { t: 9, kind: "verdict", life: ada.life, verdict: "closed", reason: "left" };
    const line = { id: "m1", state: "queued" };
    const records = [entered(ada), entered(bob), told("m1", "queued"), closed, inboxFile([])];
    expect(violationsOf([...records, outboxFile(line)])).toEqual([expect.stringMatching(/saw the network close/)]);
    expect(violationsOf([...records, outboxFile({ ...line, state: "expired" })])).toEqual([]);
  });

  it("finds one of a host that left, and left it waiting", () => {
    const out: HistoryRecord = { t: 9, kind: "out", life: ada.life };
    const records = [entered(ada), entered(bob), told("m1", "queued"), out, inboxFile([])];
    expect(violationsOf([...records, outboxFile({ id: "m1", state: "queued" })])).toHaveLength(1);
    expect(violationsOf([...records, outboxFile({ id: "m1", state: "expired" })])).toEqual([]);
  });

  it("finds one that still waits in an instance that its sender has left behind", () => {
    const later = entered({ ...ada, life: "life-a2", net: "net-2" }, { t: 9 });
    const records = [entered(ada), entered(bob), told("m1", "queued"), later, inboxFile([])];
    expect(violationsOf([...records, outboxFile({ id: "m1", state: "queued" })])).toEqual([
      expect.stringMatching(/its sender is in a later instance/),
    ]);
    expect(violationsOf([...records, outboxFile({ id: "m1", state: "expired" })])).toEqual([]);
  });

  it("finds one whose receiver's name another box has, and whose sender was not told", () => {
    const other = { ...bob, life: "life-c", box: "C" };
    const seen = [roster[0], { name: "bob", epoch: "life-c", state: "online" }].flatMap((entry) => entry ?? []);
    const records = [
      entered(ada),
      entered(bob),
      entered(other, { t: 8 }),
      told("m1", "queued"),
      testimony(ada, [], { roster: seen }),
      testimony(other, [], { roster: seen }),
      inboxFile([]),
    ];
    expect(violationsOf([...records, outboxFile({ id: "m1", state: "queued" })])).toEqual([
      expect.stringMatching(/another box has the receiver's name/),
    ]);
    expect(violationsOf([...records, outboxFile({ id: "m1", state: "expired" })])).toEqual([]);
  });

  it("leaves open what waits for somebody who did not come back", () => {
    const alone = testimony(ada, [], { roster: roster.slice(0, 1) });
    const records = [
      entered(ada),
      entered(bob),
      told("m1", "queued"),
      alone,
      outboxFile({ id: "m1", state: "queued" }),
    ];
    expect(violationsOf(records)).toEqual([]);
  });

  it("finds a message in the inbox that was never shown", () => {
    const records = storyWithout((record) => record.kind === "message" && record.shown.id === "m2");
    expect(violationsOf(records)).toEqual([expect.stringMatching(/^no loss: .* was never shown it/)]);
  });

  it("finds a receipt that never came to the sender", () => {
    const records = storyWithout(isKind("outbox-file", "state"), outboxFile({ id: "m1", state: "sent" }, { id: "m2" }));
    expect(violationsOf(records)).toEqual([expect.stringMatching(/its sender only knows "sent"/)]);
  });
});

describe("once", () => {
  it("finds a message that was shown twice in one life", () => {
    const records = [...goodStory(), message("m1", 1, { late: true })];
    expect(violationsOf(records)).toContainEqual(expect.stringMatching(/^once: .* was shown m1 twice/));
  });

  it("finds a message that is twice in a file", () => {
    const twice = inboxFile([shown("m1", 1), shown("m2", 2), shown("m2", 2)]);
    expect(violationsOf(storyWithout(isKind("inbox-file"), twice))).toEqual([
      expect.stringMatching(/^once: m2 is twice in/),
    ]);
  });

  it("finds one message that came under two ids", () => {
    const twice = inboxFile([shown("m1", 1), shown("m2", 2), shown("m3", 3, { token: "m2" })]);
    expect(violationsOf(storyWithout(isKind("inbox-file"), twice))).toEqual([
      expect.stringMatching(/^once: m2 came to lab\/bob as m2 and as m3/),
    ]);
  });

  it("lets a new life be shown what an earlier one had", () => {
    const again = entered({ ...bob, life: "life-b2" }, { inbox: [shown("m1", 1), shown("m2", 2)] });
    expect(violationsOf([...goodStory(), again])).toEqual([]);
  });

  it("finds one that is news again in a later life", () => {
    const again = entered({ ...bob, life: "life-b2" }, { inbox: [shown("m1", 1)] });
    const news: HistoryRecord = { t: 9, kind: "message", life: "life-b2", shown: shown("m2", 2) };
    expect(violationsOf([...goodStory(), again, news])).toEqual([expect.stringMatching(/^once: .* told of m2 anew/)]);
  });
});

describe("order", () => {
  it("finds a message before an earlier one", () => {
    const records = storyWithout(isKind("message"), message("m2", 2), message("m1", 1));
    expect(violationsOf(records)).toEqual([expect.stringMatching(/^order: .* was shown m1 with seq 1 after 2/)]);
  });

  const sending = (token: string, t: number): HistoryRecord => ({
    t,
    kind: "sending",
    life: ada.life,
    token,
    re: null,
  });
  const lateStory = (sentMs: number, ...more: HistoryRecord[]) =>
    storyWithout(
      isKind("message"),
      sending("m2", sentMs),
      { ...message("m2", 2), t: 20_000 },
      { ...message("m1", 1, { late: true }), t: 20_500 },
      ...more,
    );

  it("lets one come late that is marked so, and was waited for", () => {
    expect(violationsOf(lateStory(10_000))).toEqual([]);
  });

  it("finds one that is marked as late, and was not waited for", () => {
    expect(violationsOf(lateStory(19_900))).toEqual([expect.stringMatching(/^order: .* m1 with seq 1 as late/)]);
  });

  it("lets one come late that its sender had given up", () => {
    const records = storyWithout(
      isKind("message", "state"),
      sending("m2", 19_900),
      state("m1", "expired", 19_000),
      state("m1", "received", 20_600),
      { ...message("m2", 2), t: 20_000 },
      { ...message("m1", 1, { late: true }), t: 20_500 },
    );
    expect(violationsOf(records)).toEqual([]);
  });
});

describe("honest states", () => {
  it("finds received for what no disk has", () => {
    const missing = [inboxFile([shown("m1", 1)]), testimony(bob, [shown("m1", 1)])];
    const records = storyWithout(
      (record) => record.kind === "inbox-file" || (record.kind === "testimony" && record.name === "bob"),
      ...missing,
    );
    expect(violationsOf(records)).toEqual([expect.stringMatching(/^honest states: m2 .* is in no inbox file/)]);
  });

  it("finds a state that moved back", () => {
    const records = [...goodStory(), state("m1", "sent", 7)];
    expect(violationsOf(records)).toEqual([expect.stringMatching(/^honest states: m1 .* moved back to sent/)]);
  });

  it("finds injected before it was so, and replied where nobody answered", () => {
    const injecting: HistoryRecord = { t: 9, kind: "injecting", life: bob.life, ids: ["m1"] };
    const records = [...goodStory(), injecting, state("m1", "injected", 8), state("m1", "replied", 10)];
    expect(violationsOf(records)).toEqual([
      expect.stringMatching(/m1 .* injected before it was/),
      expect.stringMatching(/m1 .* replied, and nobody answered/),
    ]);
  });
});

describe("presence", () => {
  const withRoster = (seen: typeof roster) =>
    storyWithout(
      (record) => record.kind === "testimony" && record.name === "ada",
      testimony(ada, [], { roster: seen }),
    );

  it("finds a ghost", () => {
    const records = withRoster([...roster, { name: "cyd", epoch: "life-c", state: "lost" }]);
    expect(violationsOf(records)).toEqual([expect.stringMatching(/^presence: lab\/ada sees the ghost cyd/)]);
  });

  it("finds somebody who is not seen", () => {
    expect(violationsOf(withRoster(roster.slice(0, 1)))).toEqual([
      expect.stringMatching(/^presence: lab\/ada does not see bob/),
    ]);
  });

  it("finds what was not in order after the quiet-down", () => {
    const problems = ["lab/bob is suspended"];
    const calm: HistoryRecord = { t: 18, kind: "calm", problems, rostersMs: null, allMs: null };
    const records = storyWithout(isKind("calm"), calm);
    expect(violationsOf(records)).toEqual(["presence: after the quiet-down lab/bob is suspended"]);
  });
});

describe("one verdict, one instance, one box", () => {
  it("finds somebody who goes on in an instance that closed for another", () => {
    const closed: HistoryRecord = { t: 9, kind: "verdict", life: bob.life, verdict: "closed", reason: "gone" };
    expect(violationsOf([...goodStory(), closed])).toContainEqual(
      expect.stringMatching(/^one verdict: lab\/ada is active in net, which closed for lab\/bob/),
    );
  });

  it("finds that messages went on long after an instance closed for somebody", () => {
    const closed: HistoryRecord = { t: 9, kind: "verdict", life: "life-c", verdict: "closed", reason: "gone" };
    const cyd = entered({ ...bob, name: "cyd", life: "life-c", box: "C" });
    const late = storyWithout(isKind("testimony"), cyd, closed, state("m1", "injected", 10));
    expect(violationsOf(late).filter((text) => text.startsWith("one verdict"))).toEqual([]);
    const records = storyWithout(
      (record) => record.kind === "testimony" || (record.kind === "state" && record.state === "received"),
      cyd,
      closed,
      state("m1", "received", 60_000),
    );
    expect(violationsOf(records)).toEqual([expect.stringMatching(/^one verdict: m1 .* was received/)]);
  });

  it("finds mail of another instance", () => {
    const stale = inboxFile([shown("m1", 1), shown("m2", 2), shown("m0", 9, { net: "former" })]);
    expect(violationsOf(storyWithout(isKind("inbox-file"), stale))).toEqual([
      expect.stringMatching(/^one instance: m0 of former is in the inbox of net/),
    ]);
  });

  it("finds mail that was meant for another box", () => {
    const records = storyWithout(isKind("outbox-file"), outboxFile({ id: "m1" }, { id: "m2", toBox: "C" }));
    expect(violationsOf(records)).toContainEqual(expect.stringMatching(/^one box: m2 was sent to C/));
  });
});

describe("the processes", () => {
  it("finds one that ended by itself, and what no code stands for", () => {
    const ended: HistoryRecord = {
      t: 9,
      kind: "ended",
      network: "lab",
      name: "bob",
      expected: false,
      detail: "1 oops",
    };
    const failed: HistoryRecord = {
      t: 9,
      kind: "not-entered",
      network: "lab",
      name: "bob",
      code: null,
      message: "x is not a function",
    };
    expect(violationsOf([...goodStory(), ended, failed])).toEqual([
      "alive: the process of lab/bob ended by itself: 1 oops",
      "alive: lab/bob could not enter: x is not a function",
    ]);
  });
});
