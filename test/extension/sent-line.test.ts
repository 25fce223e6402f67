import fc from "fast-check";
import { afterEach, describe, expect, it } from "vitest";
import { dropCarried, findCarried, openCarried } from "../../extension/connection.ts";
import { sentType } from "../../extension/drawing.ts";
import { makeSentRenderer, type SentFacts, showSent } from "../../extension/sent-line.ts";
import { type KnownStates, recallStates, statesToKeep, statesType } from "../../extension/sent-states.ts";
import { describeTick } from "../../extension/ticks.ts";
import type { SendOutcome } from "../../peer/peer.ts";
import { contrastsIn, loadTheme, terminalBackgrounds } from "../support/themes.ts";
import { expectToFit, nastyTexts, plain } from "./drawing.ts";

const dark = loadTheme("dark");
const states: SendOutcome["state"][] = [
  "queued",
  "sent",
  "received",
  "injected",
  "seen",
  "replied",
  "denied",
  "expired",
  "refused",
];

function outcome(to: string, state: SendOutcome["state"] = "queued", reason?: string) {
  return { to, id: `m-${to}`, state, reason };
}

function entryOf(facts: Partial<SentFacts>) {
  const entries: { type: "custom"; customType: string; data: unknown }[] = [];
  const pi = {
    appendEntry: (customType: string, data?: unknown) => entries.push({ type: "custom", customType, data }),
  };
  const atMs = new Date().setHours(14, 5);
  showSent(pi, { to: ["prod"], text: "can you?", atMs, outcomes: [outcome("prod")], ...facts });
  return entries[0] ?? expect.fail("no entry was made");
}

function component(data: unknown, { expanded = false, theme = dark, recalled = new Map() as KnownStates } = {}) {
  const entry = { type: "custom" as const, customType: sentType, data, id: "1", parentId: null, timestamp: "" };
  return makeSentRenderer(recalled)(entry, { expanded }, theme);
}

function draw(facts: Partial<SentFacts>, width = 60, options: Parameters<typeof component>[1] = {}): string[] {
  return component(entryOf(facts).data, options)?.render(width) ?? expect.fail("nothing is drawn");
}

afterEach(() => {
  const carried = findCarried();
  if (carried !== undefined) dropCarried(carried);
});

describe("a message that a person sent", () => {
  it.each([
    ["queued", "… queued", "muted"],
    ["sent", "✓ sent", "muted"],
    ["received", "✓✓ received", "muted"],
    ["injected", "✓✓ in its session", "muted"],
    ["seen", "◉ read by its model", "accent"],
    ["replied", "◉ answered", "success"],
    ["denied", "✗ denied", "error"],
    ["expired", "✗ expired", "warning"],
  ] as const)("has a tick for %s", (state, tick, colour) => {
    const lines = draw({ outcomes: [outcome("prod", state)] });
    expect(plain(lines)).toBe(` → prod ${tick} 14:05\n can you?`);
    expect(lines[0]).toContain(`${dark.getFgAnsi(colour)}${tick}`);
  });

  it("moves its ticks in the component that is on the screen already", () => {
    const shown = component(entryOf({}).data) ?? expect.fail("nothing is drawn");
    expect(plain(shown.render(60))).toContain("… queued");
    const carried = openCarried(undefined);
    carried.sentStates.set("m-prod", { state: "received", reason: undefined });
    expect(plain(shown.render(60))).toContain("✓✓ received");
    carried.sentStates.set("m-prod", { state: "seen", reason: undefined });
    expect(plain(shown.render(60))).toContain("◉ read by its model");
  });

  it("says why it will not arrive", () => {
    const denied = [outcome("prod", "denied", "its person takes no messages from you")];
    expect(plain(draw({ outcomes: denied }, 80))).toContain("✗ denied (its person takes no messages from you) 14:05");
    expect(plain(draw({ outcomes: denied }, 40))).toContain("→ prod ✗ denied (its person takes no …\n");
  });

  it("sums up what became of it at many, and lists them when expanded", () => {
    const five = states.slice(1, 6).map((state) => outcome(state, state));
    expect(plain(draw({ to: "all", outcomes: five }))).toBe(" → all (5) ✓ 4 of 5 received, 2 read 14:05\n can you?");
    const three = [outcome("a", "seen"), outcome("b", "replied"), outcome("c", "seen")];
    expect(plain(draw({ to: ["a", "b", "c"], outcomes: three }))).toContain("→ a, b, c ◉ 3 of 3 received, 3 read");
    const failed = [outcome("a", "received"), outcome("b", "denied", "no"), outcome("c", "expired")];
    const open = draw({ to: ["a", "b", "c"], outcomes: failed }, 60, { expanded: true });
    expect(plain(open)).toContain("✗ 1 of 3 received, 1 denied, 1 expired");
    expect(plain(open)).toContain("\n  a ✓✓ received\n  b ✗ denied (no)\n  c ✗ expired");
    expect(plain(draw({ to: "all", outcomes: [outcome("a"), outcome("b")] }))).toContain("… 0 of 2 received");
  });

  it("is folded when it is long, and keeps no more of it than is needed to know it again", () => {
    const text = Array.from({ length: 12 }, (_, index) => `line ${index + 1}`).join("\n");
    expect(plain(draw({ text }))).toMatch(/line 3\n … 9 more lines \(.* shows all\)$/);
    expect(plain(draw({ text }, 60, { expanded: true }))).toMatch(/line 12$/);
    const huge = entryOf({ text: "x".repeat(1_000_000) });
    expect(JSON.stringify(huge).length).toBeLessThan(10_000);
    expect(plain(component(huge.data, { expanded: true })?.render(60) ?? [])).toMatch(/… 996000 more characters$/);
  });

  it.each([20, 33, 40, 80, 100])("fits %i columns, whatever was written and in every state", (width) => {
    for (const text of nastyTexts) {
      for (const state of states) {
        const outcomes = [outcome(text, state, text), outcome("n".repeat(64), state)];
        for (const expanded of [false, true]) {
          expectToFit(draw({ to: [text, "n".repeat(64)], text, outcomes }, width, { expanded }), width);
          expectToFit(draw({ to: ["n".repeat(64)], text, outcomes: outcomes.slice(1) }, width, { expanded }), width);
        }
      }
    }
  });

  it("shows its tick at every width from 24 columns, whatever the name", () => {
    const name = fc.stringMatching(/^[a-z0-9-]{1,64}$/);
    fc.assert(
      fc.property(name, fc.constantFrom(...states), fc.integer({ min: 24, max: 100 }), (to, state, width) => {
        const tick = describeTick([state]).text;
        expect(plain(draw({ to: [to], outcomes: [outcome(to, state)] }, width))).toContain(tick);
      }),
    );
  });

  it.each(["dark", "light"] as const)("can be read in the %s theme", (name) => {
    for (const state of states) {
      const lines = draw({ outcomes: [outcome("prod", state)] }, 60, { theme: loadTheme(name) });
      for (const { text, contrast } of lines.flatMap((line) => contrastsIn(line, terminalBackgrounds[name])))
        expect(contrast, text).toBeGreaterThan(3);
    }
  });

  it.each([undefined, null, "text", {}, { text: "x" }, { text: "x", outcomes: [] }, { text: 3, outcomes: [{}] }])(
    "is not drawn from an entry that holds none: %s",
    (data) => {
      expect(component(data)).toBeUndefined();
    },
  );
});

describe("a session that is resumed", () => {
  const current: KnownStates = new Map([["m-prod", { state: "seen", reason: undefined }]]);

  it("keeps what its messages had come to, once", () => {
    const sent = entryOf({});
    const kept = statesToKeep([sent], current);
    expect(kept).toEqual({ states: { "m-prod": { state: "seen", reason: undefined } } });
    const entries = [sent, { type: "custom", customType: statesType, data: JSON.parse(JSON.stringify(kept)) }];
    expect(statesToKeep(entries, current)).toBeUndefined();
    expect(statesToKeep([sent], new Map())).toBeUndefined();
    expect(statesToKeep([], current)).toBeUndefined();
    const recalled = recallStates(entries);
    expect(plain(component(sent.data, { recalled })?.render(60) ?? [])).toContain("◉ read by its model");
  });

  it("is not disturbed by entries that are no pilink's", () => {
    const strange = [
      { type: "custom", customType: statesType, data: { states: { "m-prod": { state: "eaten" }, x: null } } },
      { type: "custom", customType: statesType, data: 7 },
      { type: "custom", customType: "other", data: { outcomes: [outcome("prod")] } },
      { type: "message" },
    ];
    expect(recallStates(strange).size).toBe(0);
  });
});
