/** A source of numbers that gives the same ones for the same seed. */
export interface Random {
  /** A number from 0 to 1, without 1. */
  next(): number;
  /** A whole number from `low` to `high`, both included. */
  integer(low: number, high: number): number;
  /** True in so many of 1 cases. */
  chance(share: number): boolean;
  /** One of a list. @throws RangeError where it is empty */
  pick<Item>(items: readonly Item[]): Item;
}

/**
 * Makes a source of numbers (Marsaglia's xorshift with 32 bits, whose state is never 0).
 *
 * @param seed any whole number
 */
export function seededRandom(seed: number): Random {
  // Neighbouring seeds would begin with neighbouring numbers: the multiplication spreads them.
  let state = Math.imul(seed ^ 0x9e3779b9, 0x85ebca6b) >>> 0 || 1;
  const next = () => {
    state ^= state << 13;
    state >>>= 0;
    state ^= state >>> 17;
    state ^= state << 5;
    state >>>= 0;
    return state / 2 ** 32;
  };
  for (let skipped = 0; skipped < 8; skipped += 1) next();
  const integer = (low: number, high: number) => low + Math.floor(next() * (high - low + 1));
  return {
    next,
    integer,
    chance: (share) => next() < share,
    pick(items) {
      const item = items[integer(0, items.length - 1)];
      if (item === undefined) throw new RangeError("There is nothing to pick from.");
      return item;
    },
  };
}
