import { closeSync, fdatasync, fstatSync, fsyncSync, openSync, readFileSync, renameSync, rmSync } from "node:fs";
import type { z } from "zod";
import { appendWhole } from "./appending.ts";
import { hasCode, temporaryName, unusable } from "./folder.ts";

/** A file of JSON lines that is only ever added to, and read once when it is opened. */
export interface Journal<Line> {
  /**
   * Adds a line. When this returns a crash of the process cannot take it back.
   *
   * @throws PilinkError `state-unusable` where the disk refuses it; the file is then as it was
   */
  append(line: Line): void;

  /**
   * As {@link append}, for a line that is at hand as JSON text.
   *
   * @param text what `JSON.stringify` gave for a line
   * @throws PilinkError `state-unusable` where the disk refuses it; the file is then as it was
   */
  appendText(text: string): void;

  /**
   * Adds a line that is written at the end of this turn of the event loop, or with the next line: a crash of the process
   * may take it back until then. Where the disk refuses it, it waits for a disk that takes it.
   */
  note(line: Line): void;

  /** Waits until a crash of the machine cannot take back what was added before the call. */
  flush(): Promise<void>;

  /** Replaces the whole content, in one step. @throws PilinkError `state-unusable` */
  rewrite(lines: Iterable<Line>): void;

  /** The size of the file, in bytes. */
  sizeBytes(): number;

  close(): void;
}

/** What opening a journal gives. */
export interface OpenedJournal<Line> {
  journal: Journal<Line>;
  lines: Line[];
  /** How many lines could not be read; the file as it was is kept under `damagedPath`. */
  damaged: number;
  damagedPath: string | undefined;
}

/**
 * Opens a journal, and reads what it holds. A last line that a crash cut short is dropped; damaged lines elsewhere
 * are left out, after the whole file was put aside for a person to look at.
 *
 * @param path the file; its folder exists
 * @param schema what a line must fit
 * @throws PilinkError `state-unusable` where the file cannot be read or written
 */
export function openJournal<Schema extends z.ZodType>(path: string, schema: Schema): OpenedJournal<z.infer<Schema>> {
  const { lines, damaged, isCut, bytes } = readLines(path, schema);
  let damagedPath: string | undefined;
  if (damaged > 0) {
    damagedPath = `${path}.damaged-${Date.now()}`;
    replaceFile(damagedPath, bytes);
  }
  const journal = new FileJournal<z.infer<Schema>>(path);
  if (damaged > 0 || isCut) {
    try {
      journal.rewrite(lines);
    } catch (error) {
      journal.close();
      throw error;
    }
  }
  return { journal, lines, damaged, damagedPath };
}

class FileJournal<Line> implements Journal<Line> {
  readonly #path: string;
  #file: number | undefined;
  #sizeBytes: number;
  #flushing: Promise<void> | undefined;
  #flushAgain: Promise<void> | undefined;
  #noted = "";
  #noting: NodeJS.Immediate | undefined;

  constructor(path: string) {
    this.#path = path;
    this.#file = openForAppending(path);
    this.#sizeBytes = fstatSync(this.#file).size;
  }

  append(line: Line): void {
    this.appendText(JSON.stringify(line));
  }

  appendText(text: string): void {
    this.#write(`${this.#noted}${text}\n`);
  }

  note(line: Line): void {
    this.#noted += `${JSON.stringify(line)}\n`;
    this.#noting ??= setImmediate(() => this.#writeNoted());
  }

  flush(): Promise<void> {
    this.#writeNoted();
    // One flush runs and one may wait: everybody who asks meanwhile shares the one that waits.
    if (this.#flushing === undefined) {
      this.#flushing = this.#sync().finally(() => {
        this.#flushing = undefined;
      });
      return this.#flushing;
    }
    this.#flushAgain ??= this.#flushing
      .catch(() => undefined)
      .then(() => {
        this.#flushAgain = undefined;
        return this.flush();
      });
    return this.#flushAgain;
  }

  rewrite(lines: Iterable<Line>): void {
    let text = "";
    for (const line of lines) text += `${JSON.stringify(line)}\n`;
    const bytes = Buffer.from(text, "utf8");
    replaceFile(this.#path, bytes);
    const former = this.#file;
    this.#file = undefined;
    if (former !== undefined) closeSync(former);
    this.#file = openForAppending(this.#path);
    this.#sizeBytes = bytes.length;
  }

  sizeBytes(): number {
    return this.#sizeBytes;
  }

  close(): void {
    if (this.#file === undefined) return;
    this.#writeNoted();
    closeSync(this.#file);
    this.#file = undefined;
  }

  /** Writes lines, all of them or none. @throws PilinkError `state-unusable` */
  #write(text: string): void {
    const file = this.#opened();
    try {
      this.#sizeBytes += appendWhole(file, text, this.#sizeBytes);
    } catch (cause) {
      throw unusable(this.#path, cause);
    }
    this.#noted = "";
  }

  #writeNoted(): void {
    clearImmediate(this.#noting);
    this.#noting = undefined;
    if (this.#noted === "" || this.#file === undefined) return;
    try {
      this.#write(this.#noted);
    } catch {
      // It stays noted, for the next line: that one's writer is told what is wrong with the disk.
    }
  }

  #opened(): number {
    if (this.#file === undefined) throw unusable(this.#path, new Error("the file is closed"));
    return this.#file;
  }

  #sync(): Promise<void> {
    return new Promise((resolve, reject) => {
      // A closed journal was complete on disk as far as a crash of the process goes; nobody waits for more.
      if (this.#file === undefined) return resolve();
      fdatasync(this.#file, (cause) => {
        if (cause === null || cause.code === "EBADF") resolve();
        else reject(unusable(this.#path, cause));
      });
    });
  }
}

function readLines<Schema extends z.ZodType>(
  path: string,
  schema: Schema,
): { lines: z.infer<Schema>[]; damaged: number; isCut: boolean; bytes: Uint8Array } {
  let bytes: Buffer;
  try {
    bytes = readFileSync(path);
  } catch (cause) {
    if (!hasCode(cause, "ENOENT")) throw unusable(path, cause);
    bytes = Buffer.alloc(0);
  }
  const lines: z.infer<Schema>[] = [];
  let damaged = 0;
  const parts = bytes.toString("utf8").split("\n");
  // What follows the last line feed is a line whose writing was cut short: nobody was told that it is on disk.
  for (const part of parts.slice(0, -1)) {
    const line = parseLine(part, schema);
    if (line === undefined) damaged += 1;
    else lines.push(line.value);
  }
  return { lines, damaged, isCut: parts.at(-1) !== "", bytes };
}

function parseLine<Schema extends z.ZodType>(text: string, schema: Schema): { value: z.infer<Schema> } | undefined {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return undefined;
  }
  const parsed = schema.safeParse(value);
  return parsed.success ? { value: parsed.data } : undefined;
}

function replaceFile(path: string, bytes: Uint8Array): void {
  const temporary = temporaryName(path);
  try {
    const file = openSync(temporary, "wx", 0o600);
    try {
      appendWhole(file, bytes, 0);
      // Without this a power cut after the renaming could leave an empty file in place of the good one.
      fsyncSync(file);
    } finally {
      closeSync(file);
    }
    renameSync(temporary, path);
  } catch (cause) {
    rmSync(temporary, { force: true });
    throw unusable(path, cause);
  }
}

function openForAppending(path: string): number {
  try {
    return openSync(path, "a", 0o600);
  } catch (cause) {
    throw unusable(path, cause);
  }
}
