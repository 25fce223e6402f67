import { writeSync } from "node:fs";
import { createInterface } from "node:readline";
import { isPilinkError, messageOf } from "../../protocol/errors.ts";
import { backgroundPlanSchema, type StartLine } from "./plan.ts";
import { startResident } from "./resident.ts";

// The log is for finding out afterwards what went wrong, not a place that others can fill.
const loggedLinesLimit = 2_000;

/** Tells the process that started this one; it may be gone by now. */
function say(line: StartLine): void {
  try {
    writeSync(1, `${JSON.stringify(line)}\n`);
  } catch {
    // Nobody waits for it any more.
  }
}

function createLog(): (line: string) => void {
  let logged = 0;
  return (line) => {
    logged += 1;
    if (logged > loggedLinesLimit) return;
    const text = logged === loggedLinesLimit ? "further lines are not written down" : line;
    try {
      writeSync(2, `${new Date().toISOString()} [${process.pid}] ${text}\n`);
    } catch {
      // There is nowhere left to write it: the disk is full or the log is gone.
    }
  };
}

async function run(log: (line: string) => void): Promise<void> {
  const describe = (fault: unknown) => (fault instanceof Error ? (fault.stack ?? fault.message) : String(fault));
  // A fault in what one message caused must not end the inbox of all the others.
  process.on("uncaughtException", (fault) => log(describe(fault)));
  process.on("unhandledRejection", (fault) => log(describe(fault)));
  const input = createInterface({ input: process.stdin });
  const { value } = await input[Symbol.asyncIterator]().next();
  input.close();
  process.stdin.destroy();
  const plan = backgroundPlanSchema.parse(JSON.parse(value ?? "null"));
  const resident = await startResident(plan, {
    onWaiting: (reason, forMs) => say({ state: "waiting", reason, forMs }),
    log,
  });
  for (const signal of ["SIGTERM", "SIGINT", "SIGHUP"] as const) {
    process.on(signal, () => resident.leave(`it got ${signal}`));
  }
  log(`in the network "${resident.record.network}" as "${resident.record.name}"`);
  say({ state: "ready", id: resident.record.id, notes: resident.notes });
  await resident.over;
}

const log = createLog();
try {
  await run(log);
  process.exit(0);
} catch (error) {
  say({ state: "failed", code: isPilinkError(error) ? error.code : null, message: messageOf(error) });
  log(error instanceof Error ? (error.stack ?? error.message) : String(error));
  process.exit(1);
}
