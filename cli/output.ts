import { styleText } from "node:util";

/** What a text may look like on a terminal. */
export type Look = Parameters<typeof styleText>[0];

/** Where a command writes: results to standard output, everything else to standard error. */
export class Output {
  /** True where each result is one JSON object on a line. */
  readonly isJson: boolean;

  constructor(isJson: boolean) {
    this.isJson = isJson;
  }

  /** True where a person reads the results. */
  get isTerminal(): boolean {
    return process.stdout.isTTY === true;
  }

  /**
   * Writes one result: the object for a machine, or else the text.
   *
   * @returns when the system has taken it
   * @throws the system's error, `EPIPE` where nobody reads any more
   */
  async result(object: object, text: string): Promise<void> {
    await write(process.stdout, this.isJson ? JSON.stringify(object) : text);
  }

  /** Writes a text as it is. @throws as {@link result} */
  async text(text: string): Promise<void> {
    await write(process.stdout, text);
  }

  /** Tells the person something that is no result. Where nobody can read it, it is lost. */
  note(text: string): void {
    process.stderr.write(`${text}\n`);
  }

  /** A text with a look, where standard output is a terminal that shows it. */
  styled(look: Look, text: string): string {
    return styleText(look, text, { stream: process.stdout });
  }
}

function write(stream: NodeJS.WriteStream, text: string): Promise<void> {
  return new Promise((resolve, reject) => {
    stream.write(text.endsWith("\n") ? text : `${text}\n`, (error) => {
      if (error === undefined || error === null) resolve();
      else reject(error);
    });
  });
}
