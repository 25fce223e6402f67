import { readFileSync, unlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { waitForLock } from "../../store/lock.ts";
import { livenessOf, ownIdentity } from "../../store/process.ts";
import { processIdentitySchema } from "../../store/process-identity.ts";

// One of several processes that contend for a lock. Arguments: lock folder, folder to meet in, rounds, and the round
// in which it is to be killed while it holds the lock (0: never). Prints a line for each holding.
const [folder = "", meeting = "", rounds = "", dieAt = ""] = process.argv.slice(2);
const claim = join(meeting, "holder");
const own = JSON.stringify(ownIdentity());

for (let round = 1; round <= Number(rounds); round += 1) {
  const lock = await waitForLock(folder, { timeoutMs: 30_000, pollMs: 2, extra: { round } });
  if (lock.held) throw new Error("waited too long for the lock");
  // No two may be here. What is left by one that was killed here is no violation.
  try {
    writeFileSync(claim, own, { flag: "wx" });
  } catch {
    const other = processIdentitySchema.parse(JSON.parse(readFileSync(claim, "utf8")));
    if (livenessOf(other) !== "dead") process.stdout.write(`violation ${other.pid}\n`);
    writeFileSync(claim, own);
  }
  await new Promise(setImmediate);
  if (readFileSync(claim, "utf8") !== own) process.stdout.write("violation\n");
  process.stdout.write(`held ${lock.generation}\n`);
  if (round === Number(dieAt)) process.kill(process.pid, "SIGKILL");
  unlinkSync(claim);
  await lock.release();
}
