import { readFileSync } from "node:fs";

/** A part of a Markdown document below one heading, without the parts below the headings in it. */
export interface Section {
  heading: string;
  level: number;
  lines: string[];
}

/** A table: its columns, and each row as the cells by column. */
export interface Table {
  columns: string[];
  rows: Record<string, string>[];
}

/** A fenced block. */
export interface Block {
  language: string;
  text: string;
}

/** The text of topics.md. */
export function readTopicsPage(): string {
  return readFileSync(new URL("../../topics.md", import.meta.url), "utf8");
}

/** The sections of a Markdown text, in order. Headings keep their marks of code out. */
export function sectionsOf(text: string): Section[] {
  const sections: Section[] = [];
  let fenced = false;
  for (const line of text.split("\n")) {
    if (line.startsWith("```")) fenced = !fenced;
    const heading = fenced ? null : /^(#+) (.*)$/.exec(line);
    if (heading?.[1] !== undefined && heading[2] !== undefined) {
      sections.push({ level: heading[1].length, heading: heading[2].replaceAll("`", ""), lines: [] });
    } else sections.at(-1)?.lines.push(line);
  }
  return sections;
}

/** The section with that heading. @throws Error where there is none */
export function sectionNamed(heading: string): Section {
  const section = sectionsOf(readTopicsPage()).find((each) => each.heading === heading);
  if (section === undefined) throw new Error(`topics.md has no section "${heading}".`);
  return section;
}

/** The tables of a section, in order. */
export function tablesOf(section: Section): Table[] {
  const tables: Table[] = [];
  let open: Table | undefined;
  for (const line of section.lines) {
    if (!line.startsWith("|")) {
      open = undefined;
      continue;
    }
    const cells = line
      .slice(1, line.lastIndexOf("|"))
      .split("|")
      .map((cell) => cell.trim());
    if (open === undefined) {
      open = { columns: cells, rows: [] };
      tables.push(open);
    } else if (!cells.every((cell) => /^-+$/.test(cell))) {
      if (cells.length !== open.columns.length) throw new Error(`A row has another number of cells: ${line}`);
      open.rows.push(Object.fromEntries(open.columns.map((column, index) => [column, cells[index] ?? ""])));
    }
  }
  return tables;
}

/** The table of a section that begins with that column. @throws Error where there is none */
export function tableOf(heading: string, firstColumn: string): Table {
  const table = tablesOf(sectionNamed(heading)).find(({ columns }) => columns[0] === firstColumn);
  if (table === undefined) throw new Error(`"${heading}" of topics.md has no table of ${firstColumn}.`);
  return table;
}

/** The fenced blocks of a section, in order. */
export function blocksOf(section: Section): Block[] {
  const blocks: Block[] = [];
  let open: { language: string; lines: string[] } | undefined;
  for (const line of section.lines) {
    if (!line.startsWith("```")) open?.lines.push(line);
    else if (open === undefined) open = { language: line.slice(3), lines: [] };
    else {
      blocks.push({ language: open.language, text: open.lines.join("\n") });
      open = undefined;
    }
  }
  return blocks;
}

/** What stands in marks of code in a cell. */
export function codesIn(cell: string): string[] {
  return [...cell.matchAll(/`([^`]*)`/g)].map((match) => match[1] ?? "");
}

/** The numbered requirements of topics.md with their text, in the order of the page. */
export function requirementsOf(text: string): { id: string; text: string }[] {
  return [...text.matchAll(/^- \*\*\[([A-Z]+-\d+)\]\*\* (.*)$/gm)].map((match) => ({
    id: match[1] ?? "",
    text: match[2] ?? "",
  }));
}

/** The requirement numbers that a text cites. Clauses of MQTT, such as "[MQTT-3.1.4-2]", are none. */
export function citationsIn(text: string): string[] {
  return [...text.matchAll(/\[([A-Z]+-\d+)\]/g)].map((match) => match[1] ?? "");
}
