import { cleanText } from "../protocol/clean.ts";
import { exitCodes } from "./exit-codes.ts";
import { Output } from "./output.ts";
import { inShellWords } from "./wording.ts";

/** What every command has at hand. */
export interface Context {
  output: Output;
  /** Aborted by Ctrl+C and the other ways to end a program. */
  signal: AbortSignal;
  /** Tells the person something that is no result. */
  note(text: string): void;
  /** Tells that something takes longer than a moment. */
  onWaiting(reason: string, forMs: number): void;
}

const endings = ["SIGINT", "SIGTERM", "SIGHUP"] as const;

/**
 * Prepares what a command has at hand.
 *
 * @param isJson whether results are to be JSON lines
 */
export function makeContext(isJson: boolean): Context {
  const output = new Output(isJson);
  let interrupted: AbortController | undefined;
  const note = (text: string) => output.note(`pilink: ${cleanText(inShellWords(text))}`);
  return {
    output,
    // A command that does not look at it has nothing to put away: the system ends it at once.
    get signal() {
      interrupted ??= watchEndings();
      return interrupted.signal;
    },
    note,
    onWaiting: (reason, forMs) => note(`${reason} Waiting up to ${Math.ceil(forMs / 1_000)} s.`),
  };
}

function watchEndings(): AbortController {
  const interrupted = new AbortController();
  for (const name of endings) {
    process.on(name, () => {
      // Whoever asks a second time does not want to wait for the farewell.
      if (interrupted.signal.aborted) process.exit(exitCodes.interrupted);
      interrupted.abort();
    });
  }
  return interrupted;
}
