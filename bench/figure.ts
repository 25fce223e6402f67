/** What a number counts. */
export type Unit = "ms" | "MB" | "KB" | "messages/s" | "peers" | "%" | "bytes" | "packets";

/** One measured quantity of one subject, with a value for each round. */
export interface Figure {
  /** What was done, such as `one message, 256 B`. */
  scene: string;
  /** What did it, such as `managed broker` or `bare mqtt.js on Mosquitto`. */
  subject: string;
  /** What was measured, such as `send to handler, p50`. */
  quantity: string;
  unit: Unit;
  /** One value for each round. */
  rounds: number[];
}

/** The middle, the least and the greatest of some values. */
export interface Summary {
  median: number;
  min: number;
  max: number;
}

/**
 * The middle, the least and the greatest.
 *
 * @throws RangeError where there is no value
 */
export function summarize(values: readonly number[]): Summary {
  const sorted = values.toSorted((one, other) => one - other);
  const [min] = sorted;
  const max = sorted.at(-1);
  if (min === undefined || max === undefined) throw new RangeError("there is no value to summarize");
  return { median: quantileOf(sorted, 0.5), min, max };
}

/**
 * The value below which that share of the values lies.
 *
 * @param share from 0 to 1: 0.5 for p50, 0.99 for p99
 * @throws RangeError where there is no value
 */
export function quantile(values: readonly number[], share: number): number {
  return quantileOf(
    values.toSorted((one, other) => one - other),
    share,
  );
}

function quantileOf(sorted: readonly number[], share: number): number {
  const place = share * (sorted.length - 1);
  const below = sorted[Math.floor(place)];
  const above = sorted[Math.ceil(place)];
  if (below === undefined || above === undefined) throw new RangeError("there is no value to take a quantile of");
  return below + (above - below) * (place - Math.floor(place));
}
