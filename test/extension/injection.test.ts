import { describe, expect, it } from "vitest";
import { giveAgain, type Intake, idsIn, injectWaiting, startTurn } from "../../extension/injection.ts";
import { Reading } from "../../extension/reading.ts";
import type { InboxEntry } from "../../peer/peer.ts";
import { decide, readPreferences } from "../../peer/preferences.ts";
import { FakePeer, makeEntry, makeLine } from "./fake-peer.ts";

interface Sent {
  customType: string;
  content: unknown;
  details?: unknown;
  triggerTurn: boolean | undefined;
  deliverAs: string | undefined;
}

function makeSession(idsInBranch: string[] = []) {
  const sent: Sent[] = [];
  return {
    sent,
    target: {
      pi: {
        sendMessage: (
          message: Omit<Sent, "triggerTurn" | "deliverAs">,
          options?: { triggerTurn?: boolean; deliverAs?: string },
        ) => {
          sent.push({ ...message, triggerTurn: options?.triggerTurn, deliverAs: options?.deliverAs });
        },
      },
      ctx: {
        sessionManager: {
          getSessionId: () => "session-1",
          getBranch: () =>
            idsInBranch.map((id) => ({
              type: "custom_message" as const,
              id: `entry-${id}`,
              parentId: null,
              timestamp: "",
              customType: "pilink",
              content: "",
              display: true,
              details: { id },
            })),
        },
      },
    },
  };
}

/** An idle session with one delivery for everything. */
function take(delivery: "inject" | "turn" = "inject", changes: Partial<Intake> = {}): Intake {
  return { isIdle: true, isTurnEnd: false, decide: () => ({ delivery }), ...changes };
}

describe("injectWaiting", () => {
  it("tells the renderer the role of the sender, and what the message answers; not what the envelope claims", () => {
    const peer = new FakePeer();
    peer.lines = [makeLine("dev"), makeLine("prod", { role: "reviewer" })];
    peer.sentEntries = [
      { id: "q", to: "prod", body: "can\nyou?", re: null, atMs: 0, state: "seen", reason: undefined },
    ];
    const envelope = { v: 1, body: "x", role: "admin", answered: "everything" };
    peer.entries = [
      makeEntry({ id: "1", re: "q", envelope }),
      makeEntry({ id: "2", re: "unknown", verified: false, envelope }),
    ];
    const { sent, target } = makeSession();
    injectWaiting(peer, target, take());
    const [known, unknown] = sent.map(({ details }) => JSON.parse(JSON.stringify(details)));
    expect(known).toMatchObject({ role: "reviewer", answered: "can you?" });
    expect(unknown).not.toHaveProperty("role");
    expect(unknown).not.toHaveProperty("answered");
  });

  it("puts what is unread into the session, framed and in order, and starts no turn", () => {
    const peer = new FakePeer();
    peer.entries = [makeEntry({ id: "1", state: "seen" }), makeEntry({ id: "2" }), makeEntry({ id: "3" })];
    const { sent, target } = makeSession();
    expect(injectWaiting(peer, target, take()).map(({ id }) => id)).toEqual(["2", "3"]);
    expect(sent.map(({ customType, triggerTurn }) => [customType, triggerTurn])).toEqual([
      ["pilink", false],
      ["pilink", false],
    ]);
    expect(sent[0]?.content).toMatch(
      /^\[PI\/\/LINK\] Message from the agent "prod"[\s\S]*Message id: 2[\s\S]*body of 2/,
    );
    expect(sent[0]?.details).toMatchObject({ v: 1, id: "2", from: "prod", body: "body of 2", verified: true });
    expect(peer.entries.map(({ state, session }) => [state, session])).toEqual([
      ["seen", undefined],
      ["injected", "session-1"],
      ["injected", "session-1"],
    ]);
  });

  it("does not repeat what a resumed session holds already", () => {
    const peer = new FakePeer();
    peer.entries = [makeEntry({ id: "1" }), makeEntry({ id: "2" })];
    const { sent, target } = makeSession(["1"]);
    injectWaiting(peer, target, take());
    expect(sent).toHaveLength(1);
    expect(peer.entries.map(({ state }) => state)).toEqual(["injected", "injected"]);
  });
});

describe("delivery turn", () => {
  const three = () => {
    const peer = new FakePeer();
    peer.entries = ["1", "2", "3"].map((id) => makeEntry({ id }));
    return peer;
  };
  const statesOf = (peer: FakePeer) => peer.entries.map(({ state }) => state);

  it("starts one turn on all that wait, in order [SESS-14]", () => {
    const { sent, target } = makeSession();
    injectWaiting(three(), target, take("turn"));
    expect(sent.map(({ triggerTurn }) => triggerTurn)).toEqual([false, false, true]);
  });

  it("starts none while the network is suspended: the model could not answer", () => {
    const peer = three();
    peer.state = "suspended";
    const { sent, target } = makeSession();
    injectWaiting(peer, target, take("turn"));
    expect(sent.map(({ triggerTurn }) => triggerTurn)).toEqual([false, false, false]);
  });

  it("waits for the end of a run, unread", () => {
    const peer = three();
    const { sent, target } = makeSession();
    injectWaiting(peer, target, take("turn", { isIdle: false }));
    expect(sent).toEqual([]);
    expect(statesOf(peer)).toEqual(["unread", "unread", "unread"]);
  });

  it("lets an answer to what was asked into the run, together with what came before it, as one message", () => {
    const peer = three();
    peer.entries[1] = makeEntry({ id: "2", re: "q" });
    peer.sentEntries = [{ id: "q", to: "prod", body: "?", re: null, atMs: 0, state: "received", reason: undefined }];
    const { sent, target } = makeSession();
    injectWaiting(peer, target, take("turn", { isIdle: false, isTurnEnd: true }));
    expect(sent).toHaveLength(1);
    expect(sent[0]).toMatchObject({ triggerTurn: true, deliverAs: "steer" });
    expect(sent[0]?.content).toMatch(/Message id: 1[\s\S]*Message id: 2[\s\S]*Message id: 3/);
    expect(idsIn([{ role: "custom", ...sent[0] }])).toEqual(["1", "2", "3"]);
    expect(statesOf(peer)).toEqual(["injected", "injected", "injected"]);
  });

  it("lets none in before the end of a turn: it would wait in a queue that Esc clears", () => {
    const peer = three();
    peer.entries[1] = makeEntry({ id: "2", re: "q" });
    peer.sentEntries = [{ id: "q", to: "prod", body: "?", re: null, atMs: 0, state: "received", reason: undefined }];
    const { sent, target } = makeSession();
    injectWaiting(peer, target, take("turn", { isIdle: false }));
    expect(sent).toEqual([]);
  });
});

describe("decide", () => {
  const preferences = readPreferences({
    delivery: "turn",
    deliveries: { "lab/quiet": "inject", "lab/later": "hold", "lab/never": "block", "other/prod": "hold" },
  });
  const decided = (changes: Partial<InboxEntry>) => decide(preferences, "lab", makeEntry({ id: "1", ...changes }));

  it("goes by the peer, then by the general delivery", () => {
    expect(decided({ from: "prod" })).toEqual({ delivery: "turn" });
    expect(decided({ from: "quiet" })).toEqual({ delivery: "inject" });
    expect(decided({ from: "later" })).toEqual({ delivery: "hold", because: "delivery" });
    expect(decided({ from: "never" })).toEqual({ delivery: "hold", because: "delivery" });
  });

  it("starts no turn on what is unverified [SESS-5]", () => {
    expect(decided({ verified: false })).toEqual({ delivery: "inject" });
    expect(decided({ verified: false, from: "later" })).toEqual({ delivery: "hold", because: "delivery" });
  });

  it("holds what was passed on too often, whatever is set [SESS-12]", () => {
    expect(decided({ hops: 8 })).toEqual({ delivery: "turn" });
    expect(decided({ hops: 9, from: "quiet" })).toEqual({ delivery: "hold", because: "hops" });
  });

  it("injects where nothing is set", () => {
    expect(decide(readPreferences({}), "lab", makeEntry({ id: "1" }))).toEqual({ delivery: "inject" });
  });
});

describe("giveAgain", () => {
  it("puts what another session's model has read into one that does not hold it", () => {
    const peer = new FakePeer();
    const entries = [
      makeEntry({ id: "1", state: "seen" }),
      makeEntry({ id: "2", state: "replied" }),
      makeEntry({ id: "3", state: "injected" }),
    ];
    const { sent, target } = makeSession(["2"]);
    giveAgain(peer, target, entries);
    expect(sent.map(({ details, triggerTurn }) => [details, triggerTurn])).toEqual([
      [expect.objectContaining({ id: "1" }), false],
    ]);
  });
});

describe("startTurn", () => {
  it("names the messages, and the tool only where the model has it", () => {
    const { sent, target } = makeSession();
    startTurn(target.pi, [makeEntry({ id: "1" }), makeEntry({ id: "2", from: undefined })], true);
    startTurn(target.pi, [makeEntry({ id: "3" })], false);
    expect(sent[0]).toMatchObject({ customType: "pilink-go", triggerTurn: true });
    expect(sent[0]?.content).toMatch(/the 2 messages .*1 from "prod", 2 from an unnamed sender\..*pilink_send/);
    expect(sent[1]?.content).not.toContain("pilink_send");
  });
});

describe("idsIn", () => {
  it("knows this extension's messages in a model request", () => {
    const ids = idsIn([
      { role: "user", content: "x", details: { id: "no" } },
      { role: "custom", customType: "other", details: { id: "no" } },
      { role: "custom", customType: "pilink", details: { id: "yes" } },
      { role: "custom", customType: "pilink", details: null },
      { role: "custom", customType: "pilink", details: { id: 4 } },
    ]);
    expect(ids).toEqual(["yes"]);
  });
});

describe("Reading", () => {
  it("marks a message as seen when the model answers the request that held it, once", () => {
    const peer = new FakePeer();
    peer.entries = [makeEntry({ id: "1", state: "injected" }), makeEntry({ id: "2", state: "injected" })];
    const reading = new Reading();
    reading.noteRequest(peer, ["1"]);
    expect(peer.entries[0]?.state).toBe("injected");
    expect(reading.noteAnswer(peer)).toBe(true);
    expect(peer.entries.map(({ state }) => state)).toEqual(["seen", "injected"]);
    reading.noteRequest(peer, ["1"]);
    expect(reading.noteAnswer(peer)).toBe(false);
  });

  it("lets a person's doing begin at 0 with a trace of its own", () => {
    expect(new Reading().next()).toEqual({ hops: 0 });
  });

  it("carries on the trace and the largest hops of what was taken in, until the person speaks (hazard 15)", () => {
    const peer = new FakePeer();
    peer.entries = [
      makeEntry({ id: "1", state: "injected", hops: 3, trace: "t3" }),
      makeEntry({ id: "2", state: "injected", hops: 5, trace: "t5" }),
      makeEntry({ id: "3", state: "injected", hops: 1, trace: "t1" }),
    ];
    const reading = new Reading();
    reading.noteRequest(peer, ["1", "2", "3"]);
    reading.noteAnswer(peer);
    expect(reading.next()).toEqual({ hops: 6, trace: "t5" });
    reading.restart();
    reading.noteRequest(peer, ["1", "2", "3"]);
    expect(reading.next()).toEqual({ hops: 0 });
  });
});
