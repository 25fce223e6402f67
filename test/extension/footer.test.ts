import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { describePlace, Footer, type FooterContext } from "../../extension/footer.ts";
import { loadTheme } from "../support/themes.ts";
import { FakePeer, makeEntry, makeLine } from "./fake-peer.ts";

const theme = loadTheme("dark");

function contextOf(mode: FooterContext["mode"]) {
  const shown: (string | undefined)[] = [];
  const ctx: FooterContext = { mode, ui: { theme, setStatus: (_key, text) => shown.push(text) } };
  return { ctx, shown };
}

describe("describePlace", () => {
  it("shows network, name, agents and what nobody has read", () => {
    const peer = new FakePeer();
    expect(describePlace(peer)).toEqual({ text: "lab · dev · 1 agent", unread: "", isWarning: false });
    peer.entries = [
      makeEntry({ id: "1" }),
      makeEntry({ id: "2", state: "injected" }),
      makeEntry({ id: "3", state: "seen" }),
    ];
    peer.lines.push(makeLine("prod"));
    expect(describePlace(peer)).toEqual({
      text: "lab · dev · 2 agents · 2 unread",
      unread: "2 unread",
      isWarning: false,
    });
  });

  it("warns of a network that is suspended or closed, and of a connection that is lost", () => {
    const peer = new FakePeer();
    peer.state = "suspended";
    expect(describePlace(peer)).toMatchObject({ text: "lab · dev · suspended", isWarning: true });
    peer.state = "closed";
    expect(describePlace(peer)).toMatchObject({ text: "lab · dev · closed", isWarning: true });
    peer.state = "active";
    peer.connected = false;
    expect(describePlace(peer)).toMatchObject({ text: "lab · dev · offline", isWarning: true });
  });

  it("is as long as it needs to be, and shortens names only, the longer one first", () => {
    const peer = new FakePeer();
    peer.network = "frontend-team";
    peer.name = "code-reviewer";
    peer.lines = Array.from({ length: 12 }, (_, index) => makeLine(`a${index}`));
    peer.entries = Array.from({ length: 14 }, (_, index) => makeEntry({ id: `${index}` }));
    expect(describePlace(peer).text).toBe("frontend-team · code-reviewer · 12 agents · 14 unread");
    expect(describePlace(peer, 50).text).toBe("frontend-t… · code-review… · 12 agents · 14 unread");
    peer.name = "dev";
    expect(describePlace(peer, 40).text).toBe("frontend-… · dev · 12 agents · 14 unread");
    peer.network = "the-whole-frontend-team-of-the-company-of-mine";
    expect(describePlace(peer, 200).text).toBe("the-whole-frontend-team-of-th… · dev · 12 agents · 14 unread");
  });

  it("never takes more columns than there are, 60 at most, and leaves no word out", () => {
    const name = fc.stringMatching(/^[a-z0-9-]{1,64}$/);
    const states = fc.constantFrom("active", "suspended", "closed");
    const columns = fc.integer({ min: 40, max: 300 });
    fc.assert(
      fc.property(
        name,
        name,
        states,
        fc.boolean(),
        fc.nat(10_000),
        columns,
        (network, own, state, connected, number, width) => {
          const peer = new FakePeer();
          Object.assign(peer, { network, name: own, state, connected });
          peer.lines = Array.from({ length: 1 + (number % 300) }, (_, index) => makeLine(`a${index}`));
          peer.entries = Array.from({ length: number % 200 }, (_, index) => makeEntry({ id: `${index}` }));
          const { text, isWarning } = describePlace(peer, width);
          expect(text.length, text).toBeLessThanOrEqual(Math.min(width, 60));
          expect(text).toMatch(
            /^[a-z0-9-]+…? · [a-z0-9-]+…? · (\d+ agents?|suspended|closed|offline)( · \d+\+? unread)?$/,
          );
          expect(isWarning).toBe(/ · (suspended|closed|offline)/.test(text));
        },
      ),
    );
  });
});

describe("Footer", () => {
  it("colours what is wrong as a warning, and what is unread so that it is seen", () => {
    const { ctx, shown } = contextOf("tui");
    const footer = new Footer();
    const peer = new FakePeer();
    footer.show(ctx, peer);
    peer.entries = [makeEntry({ id: "1" })];
    footer.show(ctx, peer);
    peer.state = "suspended";
    peer.entries = [];
    footer.show(ctx, peer);
    expect(shown).toEqual([
      theme.fg("dim", "lab · dev · 1 agent"),
      theme.fg("dim", "lab · dev · 1 agent · ") + theme.fg("accent", "1 unread"),
      theme.fg("warning", "lab · dev · suspended"),
    ]);
  });

  it("has a terminal drawn anew each time, and sends nothing twice to anybody else", () => {
    const [terminal, client] = [contextOf("tui"), contextOf("rpc")];
    const [one, other] = [new Footer(), new Footer()];
    const peer = new FakePeer();
    for (let round = 0; round < 3; round += 1) {
      one.show(terminal.ctx, peer);
      other.show(client.ctx, peer);
    }
    expect(terminal.shown).toHaveLength(3);
    expect(client.shown).toEqual(["lab · dev · 1 agent"]);
  });

  it("shows nothing any more where the network was left, and all of it in a new session", () => {
    const { ctx, shown } = contextOf("rpc");
    const footer = new Footer();
    const peer = new FakePeer();
    footer.show(ctx, peer);
    footer.show(ctx, undefined);
    peer.state = "left";
    footer.show(ctx, peer);
    expect(shown).toEqual(["lab · dev · 1 agent", undefined]);
    const next = contextOf("rpc");
    peer.state = "active";
    footer.show(ctx, peer);
    footer.show(next.ctx, peer);
    expect(next.shown).toEqual(["lab · dev · 1 agent"]);
  });
});
