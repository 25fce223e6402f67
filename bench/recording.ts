import type { Figure, Unit } from "./figure.ts";

/** Collects the figures of a scene, round by round. */
export class Recording {
  readonly #figures = new Map<string, Figure>();

  /** Adds the value of one round. */
  note(scene: string, subject: string, quantity: string, unit: Unit, value: number): void {
    const key = JSON.stringify([scene, subject, quantity]);
    const figure = this.#figures.get(key) ?? { scene, subject, quantity, unit, rounds: [] };
    figure.rounds.push(value);
    this.#figures.set(key, figure);
  }

  /** What was collected, in the order in which it first came. */
  figures(): Figure[] {
    return [...this.#figures.values()];
  }
}
