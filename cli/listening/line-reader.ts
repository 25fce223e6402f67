/**
 * Cuts what comes in into lines. A line beyond the limit is not kept in memory: it is handed over cut short, when its
 * end comes.
 */
export class LineReader {
  readonly #stream: NodeJS.ReadStream;
  readonly #lengthLimit: number;
  readonly #onLine: (line: string, isCut: boolean) => void;
  #text = "";
  #isCut = false;

  /**
   * @param lengthLimit in characters
   * @param onEnd called when no more comes; a last line without its line feed was handed over before
   */
  constructor(
    stream: NodeJS.ReadStream,
    lengthLimit: number,
    onLine: (line: string, isCut: boolean) => void,
    onEnd: () => void,
  ) {
    this.#stream = stream;
    this.#lengthLimit = lengthLimit;
    this.#onLine = onLine;
    stream.setEncoding("utf8");
    stream.on("data", (chunk: string) => this.#read(chunk));
    const end = () => {
      if (this.#text !== "" || this.#isCut) this.#hand("");
      onEnd();
    };
    stream.once("end", end);
    // A terminal that is gone is an end, too.
    stream.once("error", end);
  }

  pause(): void {
    this.#stream.pause();
  }

  resume(): void {
    this.#stream.resume();
  }

  /** Reads nothing more. */
  close(): void {
    this.#stream.removeAllListeners();
    this.#stream.on("error", () => undefined);
    this.#stream.destroy();
  }

  #read(chunk: string): void {
    const parts = chunk.split("\n");
    const last = parts.pop() ?? "";
    for (const part of parts) this.#hand(part);
    this.#keep(last);
  }

  #hand(rest: string): void {
    this.#keep(rest);
    const [line, isCut] = [this.#text, this.#isCut];
    this.#text = "";
    this.#isCut = false;
    this.#onLine(line, isCut);
  }

  #keep(part: string): void {
    const room = this.#lengthLimit - this.#text.length;
    if (part.length > room) this.#isCut = true;
    this.#text += part.slice(0, Math.max(0, room));
  }
}
