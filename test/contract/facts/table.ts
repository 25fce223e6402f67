import { readFileSync } from "node:fs";
import { sectionsOf, type Table, tablesOf } from "../../topics/document.ts";

const heading = "What each broker gives";

/** The table of the README that tells what brokers give. @throws Error where there is none */
export function readFactsTable(): Table {
  const text = readFileSync(new URL("../../../README.md", import.meta.url), "utf8");
  const section = sectionsOf(text).find((each) => each.heading === heading);
  const table = section === undefined ? undefined : tablesOf(section)[0];
  if (table === undefined) throw new Error(`README.md has no table below "${heading}".`);
  return table;
}

/**
 * Writes a table as Markdown.
 *
 * @param titles the first cells of its rows
 * @param columns the name of each other column, with its cells by title; what was not measured is left empty
 */
export function renderTable(titles: string[], columns: Map<string, Map<string, string>>): string {
  const rows = [
    ["", ...columns.keys()],
    ["---", ...[...columns.keys()].map(() => "---")],
    ...titles.map((title) => [title, ...[...columns.values()].map((cells) => cells.get(title) ?? "")]),
  ];
  return `${rows.map((cells) => `| ${cells.join(" | ")} |`).join("\n")}\n`;
}
