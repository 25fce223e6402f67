import { closeSync, existsSync, fstatSync, ftruncateSync, openSync, readSync, renameSync, rmSync } from "node:fs";
import { basename, dirname, extname, join } from "node:path";
import { appendWhole } from "./appending.ts";
import { unusable } from "./folder.ts";

/** How much a {@link RollingFile} keeps. */
export interface RollingLimits {
  /** The size at which a file is put aside and a new one begun, in bytes. */
  fileBytes: number;
  /** How many files are kept besides the one that is written; the oldest goes first. */
  keptFiles: number;
}

const lineFeed = 0x0a;
const tailBytes = 64 * 1024;

/**
 * A file of lines that is only ever added to, in files of a bounded size and number: `name.jsonl` is written, and
 * `name.1.jsonl` is the one before it. One process writes it at a time; the caller sees to that.
 */
export class RollingFile {
  readonly #path: string;
  readonly #limits: RollingLimits;
  #file: number | undefined;
  #sizeBytes = 0;

  /** @param path the file; its folder exists. It is opened, and made, by the first {@link append}. */
  constructor(path: string, limits: RollingLimits) {
    this.#path = path;
    this.#limits = limits;
  }

  /**
   * Adds whole lines, all of them or none. When this returns a crash of the process cannot take them back.
   *
   * @param text lines, each with its line feed
   * @throws PilinkError `state-unusable` where the disk refuses it; the file then ends with the line before
   */
  append(text: string): void {
    const sizeBytes = Buffer.byteLength(text);
    try {
      let file = this.#opened();
      if (this.#sizeBytes > 0 && this.#sizeBytes + sizeBytes > this.#limits.fileBytes) {
        this.#roll();
        file = this.#opened();
      }
      appendWhole(file, text, this.#sizeBytes);
    } catch (cause) {
      // Whatever is wrong with it may be over at the next try, which then looks at the file anew.
      this.close();
      throw unusable(this.#path, cause);
    }
    this.#sizeBytes += sizeBytes;
  }

  /** Idempotent; a later {@link append} opens the file again. */
  close(): void {
    if (this.#file === undefined) return;
    const file = this.#file;
    this.#file = undefined;
    closeSync(file);
  }

  #opened(): number {
    if (this.#file !== undefined) return this.#file;
    // Not "a": on Windows such a file can be neither read nor cut.
    const file = openSync(this.#path, existsSync(this.#path) ? "r+" : "wx+", 0o600);
    try {
      this.#sizeBytes = endOfLastLine(file);
      // What follows the last line feed is a line that a crash cut short, and the next one would join itself to it.
      if (this.#sizeBytes < fstatSync(file).size) ftruncateSync(file, this.#sizeBytes);
    } catch (cause) {
      closeSync(file);
      throw cause;
    }
    this.#file = file;
    return file;
  }

  #roll(): void {
    // Windows renames no open file.
    this.close();
    rmSync(numbered(this.#path, this.#limits.keptFiles), { force: true });
    for (let number = this.#limits.keptFiles - 1; number >= 0; number -= 1) {
      const from = numbered(this.#path, number);
      if (existsSync(from)) renameSync(from, numbered(this.#path, number + 1));
    }
  }
}

/**
 * Whether a file belongs to a {@link RollingFile}.
 *
 * @param name the name of a file, without its folder
 * @param of the name of the file that is written, such as `audit.jsonl`
 */
export function isRolled(name: string, of: string): boolean {
  const extension = extname(of);
  const stem = basename(of, extension);
  if (!name.startsWith(stem) || !name.endsWith(extension)) return false;
  return /^(\.[1-9]\d*)?$/.test(name.slice(stem.length, name.length - extension.length));
}

function numbered(path: string, number: number): string {
  if (number === 0) return path;
  const extension = extname(path);
  return join(dirname(path), `${basename(path, extension)}.${number}${extension}`);
}

/** Where the last whole line of a file ends, in bytes. */
function endOfLastLine(file: number): number {
  const buffer = Buffer.alloc(tailBytes);
  let end = fstatSync(file).size;
  while (end > 0) {
    const start = Math.max(0, end - tailBytes);
    const length = readSync(file, buffer, 0, end - start, start);
    const found = buffer.subarray(0, length).lastIndexOf(lineFeed);
    if (found >= 0) return start + found + 1;
    end = start;
  }
  return 0;
}
