import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { renderGo, renderMessage, renderNotice } from "../../extension/renderer.ts";
import { contrastsIn, loadTheme, terminalBackgrounds } from "../support/themes.ts";
import { expectToFit, nastyTexts, plain } from "./drawing.ts";

const dark = loadTheme("dark");
const facts = { id: "m-1", from: "prod", verified: true, type: "message", re: null, at: new Date().setHours(14, 5) };

function draw(details: unknown, width: number, { expanded = false, theme = dark } = {}): string[] {
  const message = { role: "custom" as const, customType: "pilink", content: "", display: true, details, timestamp: 0 };
  const component = renderMessage(message, { expanded, outputPad: 1 }, theme);
  return component === undefined ? expect.fail("nothing is drawn") : component.render(width);
}

function drawPlain(...args: Parameters<typeof draw>): string {
  return plain(draw(...args));
}

describe("renderMessage", () => {
  it("shows who wrote it, in which role, when, and the text", () => {
    expect(drawPlain({ ...facts, role: "reviewer", body: "Looks good." }, 60)).toBe(
      "\n ← prod (reviewer) 14:05\n Looks good.\n",
    );
  });

  it("shows the day instead of the time where it is another one", () => {
    const at = new Date(2026, 0, 9, 14, 5).getTime();
    expect(drawPlain({ ...facts, at, body: "old" }, 60)).toMatch(/← prod (Jan 9|9 Jan)/);
  });

  it("shows what it answers, that it is late, unverified, and what it is beside a message", () => {
    const marked = {
      ...facts,
      verified: false,
      late: true,
      type: "task",
      re: "m-0",
      answered: "can you?",
      body: "yes",
    };
    expect(drawPlain(marked, 60)).toContain("\n unverified task · late answers “can you?”\n");
    expect(drawPlain({ ...facts, re: "m-0", body: "yes" }, 60)).toContain("\n answers m-0\n");
    const [head = "", marks = ""] = draw(marked, 60).slice(1);
    expect(head).not.toContain(dark.getFgAnsi("warning"));
    expect(marks).toContain(`${dark.getFgAnsi("warning")}unverified`);
  });

  it("shortens the role first and the name last where a line is too narrow", () => {
    const role = "reviews everything that touches the database";
    expect(drawPlain({ ...facts, role, body: "" }, 40)).toContain("← prod (reviews everything that… 14:05");
    expect(drawPlain({ ...facts, role, body: "" }, 20)).toContain("← prod (rev… 14:05");
    expect(drawPlain({ ...facts, from: "n".repeat(64), role, body: "" }, 40)).toMatch(/← n{35}…$/m);
  });

  it("folds what is long, says how much is left and by which key it is shown, and shows all when expanded", () => {
    const body = Array.from({ length: 30 }, (_, index) => `line ${index + 1}`).join("\n");
    const folded = drawPlain({ ...facts, body }, 40);
    expect(folded).toContain("line 10");
    expect(folded).not.toContain("line 11");
    expect(folded).toMatch(/… 20 more lines \(.* shows all\)/);
    const open = drawPlain({ ...facts, body }, 40, { expanded: true });
    expect(open).toContain("line 30");
    expect(open).not.toContain("more lines");
  });

  it("does not draw more of a huge message than a terminal takes without a pause, and says where the rest is", () => {
    const beganMs = performance.now();
    const open = drawPlain({ ...facts, body: "word ".repeat(200_000) }, 80, { expanded: true });
    expect(performance.now() - beganMs).toBeLessThan(5_000);
    expect(open).toMatch(/… \d+ more characters: \/pilink inbox m-1/);
  });

  it("draws each of several messages that came as one", () => {
    const batch = [
      { ...facts, body: "first" },
      { ...facts, from: "qa", body: { status: "failed" } },
    ];
    const shown = drawPlain({ batch }, 40);
    expect(shown).toMatch(/← prod 14:05\n first\n/);
    expect(shown).toMatch(/← qa 14:05\n \{\n {3}"status": "failed"\n \}/);
  });

  it.each([20, 21, 27, 40, 41, 60, 80, 100])("fits %i columns, whatever was written", (width) => {
    for (const text of nastyTexts) {
      for (const expanded of [false, true]) {
        const details = { ...facts, verified: false, late: true, type: "task", re: "m-0" };
        expectToFit(
          draw({ ...details, from: text, role: text, answered: text, body: text }, width, { expanded }),
          width,
        );
      }
    }
  });

  it("fits every width from 20 to 100 columns with any text", () => {
    const text = fc.string({
      unit: fc.oneof(fc.constantFrom(...nastyTexts.flatMap((nasty) => [...nasty])), fc.string()),
    });
    fc.assert(
      fc.property(text, text, fc.integer({ min: 20, max: 100 }), fc.boolean(), (role, body, width, expanded) => {
        expectToFit(draw({ ...facts, role, answered: role, re: "m-0", body }, width, { expanded }), width);
      }),
    );
  });

  it.each([
    undefined,
    null,
    7,
    "text",
    [],
    {},
    { batch: "x" },
    { batch: [1, null] },
    { body: () => 1, at: "now", from: 3 },
  ])("draws something of details that are none: %s", (details) => {
    expectToFit(draw(details, 40), 40);
  });

  it.each(["dark", "light"] as const)("can be read in the %s theme", (name) => {
    const theme = loadTheme(name);
    const details = { ...facts, role: "reviewer", verified: false, late: true, re: "m-0", body: "one\n".repeat(20) };
    const pieces = draw(details, 60, { theme }).flatMap((line) => contrastsIn(line, terminalBackgrounds[name]));
    expect(pieces.length).toBeGreaterThan(8);
    // WCAG 2.2 asks for 3 of large text and signs; Pi's own muted colour in its dark theme has no more.
    for (const { text, contrast } of pieces) expect(contrast, text).toBeGreaterThan(3);
  });
});

describe("the quiet lines", () => {
  it("say that the model is asked to act", () => {
    const message = { role: "custom" as const, customType: "pilink-go", content: "", display: true, timestamp: 0 };
    const drawn = (details: unknown) =>
      plain(renderGo({ ...message, details }, { expanded: false, outputPad: 1 }, dark)?.render(40) ?? []);
    expect(drawn({ ids: ["1", "2"], from: "dev,\u001b[2J qa" })).toBe(
      " → the model is asked to act on 2\n messages from dev, qa",
    );
    // As sessions of earlier versions hold it.
    expect(drawn({ ids: ["1"] })).toBe(" → the model is asked to act on the\n messages above");
  });

  it("hold a notice that must stay, cleaned", () => {
    const entry = { type: "custom" as const, customType: "x", id: "1", parentId: null, timestamp: "" };
    const drawn = (data: unknown) => renderNotice({ ...entry, data }, { expanded: false }, dark)?.render(40);
    expect(plain(drawn({ text: "Created\u001b[2J the network." }) ?? [])).toBe(" Created the network.");
    expect(drawn({ text: 7 })).toBeUndefined();
    expect(drawn(undefined)).toBeUndefined();
  });
});
