import { type Figure, summarize } from "./figure.ts";

/**
 * How each quantity grows from one subject to the next, whose sizes stand at the beginning of their names: ×10 where
 * the size is ×10 is growth with the number, ×100 with its square.
 *
 * @param subjects from the smallest to the largest
 */
export function describeGrowth(figures: readonly Figure[], subjects: readonly string[]): string[] {
  return [...Map.groupBy(figures, ({ quantity }) => quantity)].flatMap(([quantity, same]) => {
    const medians = subjects.flatMap((subject) => {
      const figure = same.find((candidate) => candidate.subject === subject);
      return figure === undefined ? [] : [{ subject, median: summarize(figure.rounds).median }];
    });
    const steps = medians.slice(1).map(({ subject, median }, place) => {
      const factor = median / (medians[place]?.median ?? median);
      return `${subject.split(" ")[0]}: ×${Number.isFinite(factor) ? factor.toPrecision(2) : "?"}`;
    });
    return steps.length === 0 ? [] : [`${quantity}: ${steps.join(", ")}`];
  });
}
