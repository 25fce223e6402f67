import { PilinkError } from "../../protocol/errors.ts";
import { chooseBackground, describeBackground, noBackground } from "../background/choice.ts";
import { leftSchema, statusSchema } from "../background/control.ts";
import { ask } from "../background/conversation.ts";
import { untilDead } from "../background/ending.ts";
import { type BackgroundRecord, readRecord, readRecords, removeRecord } from "../background/record.ts";
import type { Context } from "../context.ts";
import { type ExitCode, exitCodes } from "../exit-codes.ts";
import type { Given } from "../given.ts";
import { placeHere } from "../place.ts";

/** `pilink leave` */
export async function runLeave(options: Given, context: Context): Promise<ExitCode> {
  const place = placeHere({ network: options.network, name: options.as });
  if (options.all === true) {
    const living = (await readRecords(place.home)).filter(({ isAlive }) => isAlive).map(({ record }) => record);
    // The hosts last: the others leave in good order then.
    living.sort((a, b) => Number(a.kind === "host") - Number(b.kind === "host"));
    if (options.yes !== true) for (const record of living) await requireConsent(record, living);
    for (const record of living) await leave(place.home, record, context);
    if (living.length === 0) context.note("There is no background peer.");
    return exitCodes.done;
  }
  const found = await chooseBackground(place);
  if (found === undefined) throw noBackground(place);
  if (options.yes !== true) await requireConsent(found, [found]);
  await leave(place.home, found, context);
  return exitCodes.done;
}

/** @throws PilinkError `not-approved` where others than those who leave are cut off */
async function requireConsent(record: BackgroundRecord, leaving: readonly BackgroundRecord[]): Promise<void> {
  const { network } = record;
  const answer = await ask(record, { command: "status" }, statusSchema);
  answer?.close();
  const own = leaving.filter((other) => other.network === network).map(({ name }) => name);
  const others = (answer?.value.dependents ?? []).filter((name) => !own.includes(name));
  if (others.length === 0) return;
  throw new PilinkError(
    "not-approved",
    `${describeBackground(record)} is its host: leaving ends the network for ${others.join(", ")}. Add --yes to do it.`,
    { value: others },
  );
}

async function leave(home: string, record: BackgroundRecord, { output }: Context): Promise<void> {
  const answer = await ask(record, { command: "leave" }, leftSchema);
  answer?.close();
  await untilDead(home, record);
  const unread = (await readRecord(home, record.id))?.ended === undefined ? 0 : (answer?.value.unread ?? 0);
  // Nobody lives any more who would remove it: it was killed, or has ended before.
  if (answer === undefined) await removeRecord(home, record);
  const { network, name } = record;
  const left =
    unread === 0
      ? ""
      : ` ${unread} unread ${unread === 1 ? "message is" : "messages are"} left: pilink recv --network ${network} --as ${name} shows them.`;
  await output.result({ left: true, network, name, unread }, `Left: ${describeBackground(record)}.${left}`);
}
