import { afterEach, describe, expect, it } from "vitest";
import { dropCarried, findCarried, openCarried } from "../../extension/connection.ts";
import { agentsDrawing, sendDrawing } from "../../extension/tool-lines.ts";
import { loadTheme } from "../support/themes.ts";
import { expectToFit, nastyTexts, plain } from "./drawing.ts";

const dark = loadTheme("dark");

interface Shown {
  args?: unknown;
  content?: string;
  details?: unknown;
  isError?: boolean;
  expanded?: boolean;
}

/** Draws a tool's row as Pi does: call and result below each other, with a state in common. */
function row(drawing: typeof sendDrawing | typeof agentsDrawing, shown: Shown) {
  const { args = {}, content, details, isError = false, expanded = false } = shown;
  const context = { args, state: {}, isError };
  const call = drawing.renderCall(args, dark, context);
  if (content === undefined && details === undefined) return (width: number) => call.render(width);
  const answer = { content: [{ type: "text" as const, text: content ?? "" }], details };
  const result = drawing.renderResult(answer, { expanded, isPartial: false }, dark, context);
  return (width: number) => [...call.render(width), ...result.render(width)];
}

function sent(state: string, to = "prod") {
  return { to, id: `m-${to}`, state };
}

afterEach(() => {
  const carried = findCarried();
  if (carried !== undefined) dropCarried(carried);
});

describe("pilink_send", () => {
  const args = { to: "prod", body: "Can you review\nthe diff?" };

  it("is one line before and after it has an answer, with the state that was reached", () => {
    expect(plain(row(sendDrawing, { args })(80))).toBe("pilink_send → prod Can you review the diff?");
    const draw = row(sendDrawing, { args, content: "prod: received", details: { outcomes: [sent("received")] } });
    expect(plain(draw(80))).toBe("pilink_send → prod ✓✓ received Can you review the diff?");
    expect(plain(draw(36))).toBe("pilink_send → prod ✓✓ received Can …");
  });

  it("moves its tick as receipts come", () => {
    const draw = row(sendDrawing, { args, details: { outcomes: [sent("received")] } });
    openCarried(undefined).sentStates.set("m-prod", { state: "replied", reason: undefined });
    expect(plain(draw(80))).toContain("→ prod ◉ answered");
  });

  it("sums up what became of it at many, and lists them when expanded", () => {
    const details = { outcomes: [sent("seen", "a"), sent("queued", "b")] };
    const toAll = { ...args, to: "all" };
    expect(plain(row(sendDrawing, { args: toAll, details })(80))).toContain("→ all (2) ✓ 1 of 2 received, 1 read Can");
    const open = plain(row(sendDrawing, { args: { ...args, to: ["a", "b"] }, details, expanded: true })(80));
    expect(open).toContain("→ a, b ✓ 1 of 2 received, 1 read");
    expect(open).toContain("\n a ◉ read by its model\n b … queued\nCan you review\nthe diff?");
  });

  it("says why nothing was sent", () => {
    const draw = row(sendDrawing, { args, content: 'No agent "prod" is here.', details: {}, isError: true });
    expect(plain(draw(80))).toBe('pilink_send → prod ✗ refused Can you review the diff?\nNo agent "prod" is here.');
  });

  it("fits every width, whatever the model writes, also while it is still writing", () => {
    for (const text of nastyTexts) {
      for (const width of [20, 40, 80]) {
        const outcomes = [{ to: text, id: "1", state: "denied", reason: text }, sent("seen")];
        for (const expanded of [false, true]) {
          const shown = { args: { to: [text, "prod"], body: text }, details: { outcomes }, content: text, expanded };
          expectToFit(row(sendDrawing, shown)(width), width);
          expectToFit(row(sendDrawing, { ...shown, isError: true })(width), width);
        }
      }
    }
    for (const unfinished of [undefined, null, {}, { to: 3 }, { to: [null], body: {} }])
      expectToFit(row(sendDrawing, { args: unfinished })(40), 40);
  });
});

describe("pilink_agents", () => {
  const details = { agents: [{ name: "dev" }, { name: "prod" }] };

  it("is one line that says who was here", () => {
    expect(plain(row(agentsDrawing, {})(80))).toBe("pilink_agents");
    expect(plain(row(agentsDrawing, { details, content: "long" })(80))).toBe("pilink_agents 2 here: dev, prod");
    expect(plain(row(agentsDrawing, { details, content: "long" })(28))).toBe("pilink_agents 2 here: dev, …");
  });

  it("shows what the model was told when expanded, and an error always", () => {
    expect(plain(row(agentsDrawing, { details, content: "You are\ndev.", expanded: true })(80))).toContain(
      "\nYou are\ndev.",
    );
    expect(plain(row(agentsDrawing, { details: {}, content: "broken", isError: true })(80))).toBe(
      "pilink_agents\nbroken",
    );
  });
});
