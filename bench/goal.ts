import { type Figure, type Summary, summarize, type Unit } from "./figure.ts";

/** Picks one figure; its `quantity` is a figure's whole text. */
export type FigurePick = Pick<Figure, "scene" | "subject" | "quantity">;

/** What a figure, or the ratio of two that were measured in the same rounds, is to reach. */
export interface Goal {
  /** What is to be reached, in words. */
  title: string;
  figure: FigurePick;
  /** Where the goal is a ratio: what the figure is divided by, round by round. */
  over?: FigurePick;
  atMost?: number;
  atLeast?: number;
}

/** How a goal stands. */
export interface Standing {
  goal: Goal;
  /** Undefined where a figure is missing, such as that of a broker that is not installed. */
  value: Summary | undefined;
  /** The unit of the value; `×` for a ratio. */
  unit: Unit | "×";
  isReached: boolean;
}

/** Holds figures against a goal: the median decides. */
export function judge(goal: Goal, figures: readonly Figure[]): Standing {
  const figure = find(goal.figure, figures);
  const base = goal.over && find(goal.over, figures);
  const unit = goal.over ? "×" : (figure?.unit ?? "ms");
  if (figure === undefined || (goal.over !== undefined && base === undefined)) {
    return { goal, value: undefined, unit, isReached: false };
  }
  const value = summarize(base === undefined ? figure.rounds : divide(figure.rounds, base.rounds));
  const { atMost = Number.POSITIVE_INFINITY, atLeast = Number.NEGATIVE_INFINITY } = goal;
  return { goal, value, unit, isReached: value.median <= atMost && value.median >= atLeast };
}

function find(pick: FigurePick, figures: readonly Figure[]): Figure | undefined {
  return figures.find(
    ({ scene, subject, quantity }) => scene === pick.scene && subject === pick.subject && quantity === pick.quantity,
  );
}

/** Both were measured in turns within each round, so what slowed a whole round down does not show in its ratio. */
function divide(values: readonly number[], bases: readonly number[]): number[] {
  return values.flatMap((value, round) => {
    const base = bases[round];
    return base === undefined ? [] : [value / base];
  });
}
