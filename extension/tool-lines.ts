import type { AgentToolResult, Theme, ThemeColor, ToolRenderResultOptions } from "@earendil-works/pi-coding-agent";
import type { Component } from "@earendil-works/pi-tui";
import { cleanLine, cleanText } from "../protocol/clean.ts";
import { foldText, type LinePart, layLine } from "./layout.ts";
import { describeReceivers, drawOutcome } from "./sent-line.ts";
import { fieldsOf, type KeptOutcome, presentState, readOutcomes } from "./sent-states.ts";
import { describeTick } from "./ticks.ts";

const openLimits = { lines: 400, characters: 20_000 } as const;
const faultLimits = { lines: 4, characters: 1_000 } as const;

/** What the call of a tool and its result know of each other. */
interface Row {
  outcomes?: KeptOutcome[];
  names?: string;
}

/** What Pi gives to both; the state is the same object for both. */
interface Context {
  args: unknown;
  state: Row;
  isError: boolean;
}

type Result = AgentToolResult<unknown>;

/** Draws `pilink_send` in one line, with the state that the message has reached by now. */
export const sendDrawing = {
  renderCall: (args: unknown, theme: Theme, context: Context): Component =>
    new LiveLines((width) => [
      layLine(
        [
          titleOf("pilink_send", theme),
          { text: `→ ${receiversOf(args, context)}`, style: colour(theme, "accent"), givesWay: 3 },
          tickOf(context, theme),
          { text: cleanLine(bodyOf(args), 300), style: colour(theme, "toolOutput"), givesWay: 1 },
        ],
        width,
      ),
    ]),
  renderResult: (result: Result, { expanded }: ToolRenderResultOptions, theme: Theme, context: Context): Component => {
    context.state.outcomes = readOutcomes(fieldsOf(result.details).get("outcomes"));
    if (context.isError) return drawFault(result, expanded, theme);
    if (!expanded) return nothing;
    return new LiveLines((width) => {
      const outcomes = outcomesIn(context);
      return [
        ...(outcomes.length > 1 ? outcomes.map((outcome) => drawOutcome(outcome, theme, width)) : []),
        ...drawText(cleanText(bodyOf(context.args)), theme, width),
      ];
    });
  },
};

/** Draws `pilink_agents` in one line: who was here. */
export const agentsDrawing = {
  renderCall: (_args: unknown, theme: Theme, { state }: Context): Component =>
    new LiveLines((width) => [
      layLine(
        [titleOf("pilink_agents", theme), { text: state.names ?? "", style: colour(theme, "toolOutput"), givesWay: 1 }],
        width,
      ),
    ]),
  renderResult: (
    result: Result,
    { expanded }: ToolRenderResultOptions,
    theme: Theme,
    { state, isError }: Context,
  ): Component => {
    const agents = fieldsOf(result.details).get("agents");
    const names = (Array.isArray(agents) ? agents : []).flatMap((agent: unknown) => {
      const name = fieldsOf(agent).get("name");
      return typeof name === "string" ? [cleanLine(name, 80)] : [];
    });
    if (names.length > 0) state.names = `${names.length} here: ${names.join(", ")}`;
    if (isError) return drawFault(result, expanded, theme);
    return expanded ? new LiveLines((width) => drawText(textOf(result), theme, width)) : nothing;
  },
};

/** Lines that are drawn anew each time: what they show may have changed. */
class LiveLines implements Component {
  readonly #draw: (width: number) => string[];

  constructor(draw: (width: number) => string[]) {
    this.#draw = draw;
  }

  invalidate(): void {}

  render(width: number): string[] {
    return this.#draw(width);
  }
}

const nothing = new LiveLines(() => []);

function titleOf(name: string, theme: Theme): LinePart {
  return { text: name, style: (text) => theme.fg("toolTitle", theme.bold(text)) };
}

function tickOf(context: Context, theme: Theme): LinePart {
  const outcomes = outcomesIn(context);
  const isRefused = outcomes.length === 0 && context.isError;
  const tick = describeTick(isRefused ? ["refused"] : outcomes.map(({ state }) => state));
  return { text: tick.text, style: colour(theme, tick.colour) };
}

function receiversOf(args: unknown, context: Context): string {
  const to = fieldsOf(args).get("to");
  const { outcomes } = context.state;
  const isAll = [to].flat().includes("all");
  if (!isAll) return describeReceivers(to, 0);
  return outcomes === undefined || outcomes.length === 0 ? "all" : describeReceivers("all", outcomes.length);
}

function bodyOf(args: unknown): string {
  const body = fieldsOf(args).get("body");
  return typeof body === "string" ? body : "";
}

function outcomesIn({ state }: Context): KeptOutcome[] {
  return (state.outcomes ?? []).map((outcome) => presentState(outcome));
}

function drawFault(result: Result, isOpen: boolean, theme: Theme): Component {
  return new LiveLines((width) => {
    const { lines } = foldText(textOf(result), width, isOpen ? openLimits : faultLimits);
    return lines.map(colour(theme, "error"));
  });
}

function drawText(text: string, theme: Theme, width: number): string[] {
  return foldText(text, width, openLimits).lines.map(colour(theme, "toolOutput"));
}

function textOf({ content }: Result): string {
  return cleanText(content.flatMap((part) => (part.type === "text" ? [part.text] : [])).join("\n"));
}

function colour(theme: Theme, name: ThemeColor): (text: string) => string {
  return (text) => theme.fg(name, text);
}
