import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { followPeer } from "../../extension/notices.ts";
import type { SentEntry } from "../../peer/peer.ts";
import { PilinkError } from "../../protocol/errors.ts";
import { FakePeer, makeEntry, makeLine } from "./fake-peer.ts";

const gatherMs = 300;

function follow() {
  const peer = new FakePeer();
  const said: string[] = [];
  const sent: string[] = [];
  let changes = 0;
  let beforeSaid: number | undefined;
  const end = followPeer(peer, {
    say: (text, type) => {
      beforeSaid ??= changes;
      said.push(`${type}: ${text}`);
    },
    onSent: ({ id, state }) => sent.push(`${id} ${state} ${changes}`),
    onChanged: () => {
      changes += 1;
    },
    onDisplaced: () => said.push("displaced"),
  });
  return { peer, said, sent, end, changes: () => ({ all: changes, beforeSaid }) };
}

beforeEach(() => {
  vi.useFakeTimers();
});
afterEach(() => {
  expect(vi.getTimerCount(), "timers that were left running").toBe(0);
  vi.useRealTimers();
});

describe("followPeer", () => {
  it("tells in one notice what was on its way and will not be delivered, and nothing of what was told at once", () => {
    vi.setSystemTime(100_000);
    const { peer, said, end } = follow();
    const entry = (id: string, changes: Partial<SentEntry>): SentEntry => ({
      ...{ id, to: "prod", body: "x", re: null, atMs: 0, state: "expired", reason: 'another agent is "prod" now' },
      ...changes,
    });
    peer.events.emit("sent", entry("1", { atMs: 99_000, state: "denied" }));
    peer.events.emit("sent", entry("2", { state: "received" }));
    vi.advanceTimersByTime(gatherMs);
    expect(said).toEqual([]);
    peer.events.emit("sent", entry("3", {}));
    peer.events.emit("sent", entry("4", { to: "qa" }));
    vi.advanceTimersByTime(gatherMs);
    expect(said).toEqual([
      'warning: 2 messages to prod, qa in the network "lab" were not delivered: another agent is "prod" now. /pilink sent lists what became of each.',
    ]);
    end();
  });

  it("tells of one agent in a sentence of its own", () => {
    const { peer, said, end } = follow();
    peer.events.emit("joined", makeLine("prod", { role: "reviews\u001b[2J all" }));
    vi.advanceTimersByTime(gatherMs);
    peer.events.emit("departed", makeLine("prod"));
    vi.advanceTimersByTime(gatherMs);
    peer.events.emit("lost", makeLine("qa"));
    vi.advanceTimersByTime(gatherMs);
    expect(said).toEqual([
      'info: "prod" (reviews all) joined the network "lab".',
      'info: "prod" left the network "lab".',
      'warning: "qa" in the network "lab" has lost its connection; it may return.',
    ]);
    end();
  });

  it("tells in one sentence that an agent is back, and of the host nothing that is told already", () => {
    const { peer, said, end } = follow();
    peer.events.emit("returned", makeLine("prod", { role: "reviews" }));
    vi.advanceTimersByTime(gatherMs);
    for (const name of ["a", "b"]) peer.events.emit("returned", makeLine(name));
    vi.advanceTimersByTime(gatherMs);
    peer.events.emit("resumed", { host: "host" });
    peer.events.emit("returned", makeLine("host", { isHost: true }));
    vi.advanceTimersByTime(gatherMs);
    expect(said).toEqual([
      'info: "prod" is back in the network "lab".',
      'info: 2 agents are back in the network "lab": a and b.',
      'info: The host "host" of the network "lab" is back.',
    ]);
    end();
  });

  it("makes one notice of twenty that come at once", () => {
    const { peer, said, end } = follow();
    for (let index = 1; index <= 20; index += 1) peer.events.emit("joined", makeLine(`agent-${index}`));
    expect(said).toEqual([]);
    vi.advanceTimersByTime(gatherMs);
    expect(said).toEqual(['info: 20 agents joined the network "lab": agent-1, agent-2, agent-3 and 17 more.']);
    for (const name of ["a", "b", "c"]) peer.events.emit("lost", makeLine(name));
    for (const name of ["x", "y"]) peer.events.emit("departed", makeLine(name));
    vi.advanceTimersByTime(gatherMs);
    expect(said.slice(1)).toEqual([
      'warning: 3 agents in the network "lab" have lost their connections and may return: a, b and c.',
      'info: 2 agents left the network "lab": x and y.',
    ]);
    end();
  });

  it("tells that an agent joined before its first message is shown, and gathers on for a message of another", () => {
    const { peer, said, changes, end } = follow();
    peer.events.emit("joined", makeLine("prod"));
    peer.events.emit("message", makeEntry({ id: "1", from: "qa" }));
    peer.events.emit("message", makeEntry({ id: "2", from: undefined }));
    expect(said).toEqual([]);
    peer.events.emit("message", makeEntry({ id: "3", from: "prod" }));
    expect(said).toEqual(['info: "prod" joined the network "lab".']);
    expect(changes()).toEqual({ all: 3, beforeSaid: 2 });
    end();
  });

  it("keeps the order of what happens to one agent", () => {
    const { peer, said, end } = follow();
    peer.events.emit("departed", makeLine("prod"));
    peer.events.emit("joined", makeLine("prod"));
    peer.events.emit("departed", makeLine("prod"));
    vi.advanceTimersByTime(gatherMs);
    expect(said.map((text) => / (left|joined) /.exec(text)?.[1])).toEqual(["left", "joined", "left"]);
    end();
  });

  it("tells at once that the host is lost, back, or gone, after what led to it", () => {
    const { peer, said, end } = follow();
    peer.events.emit("departed", makeLine("prod"));
    peer.events.emit("lost", makeLine("host", { isHost: true }));
    peer.events.emit("suspended", { host: "host" });
    expect(said).toEqual([
      'info: "prod" left the network "lab".',
      'warning: Network host is offline: "host" of the network "lab". Nothing can be sent until it returns.',
    ]);
    peer.events.emit("resumed", { host: "host" });
    peer.events.emit("departed", makeLine("host", { isHost: true }));
    peer.events.emit("closed", { reason: "the host left\nit" });
    peer.events.emit("trouble", new PilinkError("state-unusable", "The disk is full."));
    expect(said.slice(2)).toEqual([
      'info: The host "host" of the network "lab" is back.',
      'warning: This network is no longer available. Run /pilink setup to start or join a new network. ("lab": the host left it.)',
      "warning: The disk is full.",
    ]);
    end();
  });

  it("tells that the name was given to another, after the network was forgotten", () => {
    const { peer, said, end } = follow();
    peer.events.emit("displaced", new PilinkError("name-displaced", "Another one is dev."));
    expect(said).toEqual(["displaced", "error: Another one is dev."]);
    end();
  });

  it("hands on what became of a message before anything is drawn anew", () => {
    const { peer, sent, end } = follow();
    const entry: SentEntry = { id: "m-1", to: "prod", body: "", re: null, atMs: 0, state: "seen", reason: undefined };
    peer.events.emit("sent", entry);
    expect(sent).toEqual(["m-1 seen 0"]);
    end();
  });

  it("tells what it has gathered when it is ended, and nothing after that", () => {
    const { peer, said, end } = follow();
    peer.events.emit("joined", makeLine("prod"));
    end();
    peer.events.emit("joined", makeLine("qa"));
    vi.advanceTimersByTime(10 * gatherMs);
    expect(said).toEqual(['info: "prod" joined the network "lab".']);
    expect(peer.events.eventNames()).toEqual([]);
  });
});
