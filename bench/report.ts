import { writeFile } from "node:fs/promises";
import { type Figure, summarize } from "./figure.ts";
import type { Standing } from "./goal.ts";
import type { Machine } from "./machine.ts";

/** Everything that one run of the bench found. */
export interface BenchRun {
  /** When it began, as ISO 8601. */
  at: string;
  tookMs: number;
  isQuick: boolean;
  machine: Machine;
  figures: Figure[];
  standings: Standing[];
}

/** A table for each scene: each line is one subject and quantity, with the median, the least and the greatest round. */
export function formatFigures(figures: readonly Figure[]): string[] {
  const lines: string[] = [];
  for (const [scene, ofScene] of Map.groupBy(figures, (figure) => figure.scene)) {
    const rows = ofScene.map(({ subject, quantity, unit, rounds }) => {
      const { median, min, max } = summarize(rounds);
      return [subject, quantity, formatNumber(median), formatNumber(min), formatNumber(max), unit];
    });
    lines.push("", scene, ...alignRows([["", "", "median", "min", "max", ""], ...rows]));
  }
  return lines;
}

/** A line for each goal: what was wanted, what was found, and whether it is reached. */
export function formatStandings(standings: readonly Standing[]): string[] {
  const rows = standings.map(({ goal, value, unit, isReached }) => {
    const wanted = [
      ...(goal.atMost === undefined ? [] : [`≤ ${goal.atMost}`]),
      ...(goal.atLeast === undefined ? [] : [`≥ ${goal.atLeast}`]),
    ].join(" ");
    const found = value === undefined ? "not measured" : formatNumber(value.median);
    const word = value === undefined ? "" : isReached ? "reached" : "missed";
    return [goal.title, wanted, found, unit, word];
  });
  return ["Goals", ...alignRows([["", "wanted", "found", "", ""], ...rows])];
}

/** As many digits as tell something: three. */
function formatNumber(value: number): string {
  if (Number.isInteger(value) || Math.abs(value) >= 100) return String(Math.round(value));
  return Math.abs(value) >= 10 ? value.toFixed(1) : value.toPrecision(3);
}

function alignRows(rows: readonly string[][]): string[] {
  const columns = Math.max(...rows.map((row) => row.length));
  const widths = Array.from({ length: columns }, (_, column) =>
    Math.max(...rows.map((row) => row[column]?.length ?? 0)),
  );
  return rows.map((row) => `  ${row.map((cell, column) => padCell(cell, widths[column] ?? 0)).join("  ")}`.trimEnd());
}

function padCell(cell: string, width: number): string {
  const isNumber = /^(-?[\d.]+(e[+-]?\d+)?|median|min|max|found)$/.test(cell);
  return isNumber ? cell.padStart(width) : cell.padEnd(width);
}

/**
 * Writes the run as JSON.
 *
 * @throws Error of the file system
 */
export async function writeRun(path: string, run: BenchRun): Promise<void> {
  await writeFile(path, `${JSON.stringify(run, null, 2)}\n`);
}
