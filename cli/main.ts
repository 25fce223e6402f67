import { CommanderError } from "commander";
import { packageVersion } from "../broker/managed.ts";
import { cleanText } from "../protocol/clean.ts";
import { isPilinkError, messageOf } from "../protocol/errors.ts";
import { hasCode } from "../store/folder.ts";
import { type ExitCode, exitCodeOf, exitCodes } from "./exit-codes.ts";
import { makeProgram } from "./program.ts";
import { inShellWords } from "./wording.ts";

const isJson = process.argv.includes("--json");

// A reader that goes away is met where something is written.
process.stdout.on("error", () => undefined);
process.stderr.on("error", () => undefined);

/** Tells what went wrong: as one JSON object where that was asked for, without a trace of what nobody here can mend. */
function tellFault(code: string, text: string): void {
  const message = cleanText(inShellWords(text));
  process.stderr.write(isJson ? `${JSON.stringify({ error: { code, message } })}\n` : `pilink: ${message}\n`);
}

async function run(): Promise<ExitCode> {
  let code: ExitCode = exitCodes.done;
  const program = makeProgram(packageVersion(), (done) => {
    code = done;
  });
  const commands = [program, ...program.commands, ...program.commands.flatMap(({ commands }) => commands)];
  for (const command of commands) {
    command.exitOverride();
    command.configureOutput({ outputError: (text) => tellFault("bad-argument", text.replace(/^error: /, "").trim()) });
  }
  try {
    await program.parseAsync(process.argv);
    return code;
  } catch (error) {
    if (error instanceof CommanderError) return error.exitCode === 0 ? exitCodes.done : exitCodes.usage;
    // Who reads has seen enough: `pilink log | head`.
    if (hasCode(error, "EPIPE")) return exitCodes.failed;
    tellFault(isPilinkError(error) ? error.code : "failed", messageOf(error));
    return exitCodeOf(error);
  }
}

const code = await run();
// What was written to a pipe is on its way on some systems only.
process.stdout.write("", () => process.stderr.write("", () => process.exit(code)));
