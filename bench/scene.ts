import type { Figure } from "./figure.ts";
import type { Goal } from "./goal.ts";

/** What a scene of the bench is given. */
export interface SceneOptions {
  /** How many rounds to measure; the subjects of a scene take turns within each. */
  rounds: number;
  /** True for a short run that shows that everything works, and whose figures mean little. */
  isQuick: boolean;
  /** Tells a person what happens now. */
  say(line: string): void;
}

/** One thing that the bench measures. What it started is ended by the runner, also when it throws. */
export interface Scene {
  /** The word that picks it on the command line. */
  name: string;
  /** What it measures, in one line. */
  title: string;
  /** What its figures are held against. */
  goals?: Goal[];
  measure(options: SceneOptions): Promise<Figure[]>;
}
