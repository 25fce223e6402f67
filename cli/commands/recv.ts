import { openLeftInbox } from "../../peer/left-inbox.ts";
import { isPilinkError, PilinkError } from "../../protocol/errors.ts";
import { chooseForTaking, describeBackground, noBackground } from "../background/choice.ts";
import { handoutSchema } from "../background/control.ts";
import { ask } from "../background/conversation.ts";
import { untilDead } from "../background/ending.ts";
import { type BackgroundRecord, readRecord, removeRecord } from "../background/record.ts";
import type { Context } from "../context.ts";
import { cutOff } from "../desk.ts";
import { parseCount, parseDuration } from "../durations.ts";
import { type ExitCode, exitCodes } from "../exit-codes.ts";
import type { Given } from "../given.ts";
import { type ShownMessage, showMessage } from "../message.ts";
import { describeMessage } from "../message-text.ts";
import { type Place, placeHere } from "../place.ts";

interface Wanted {
  waitMs: number;
  limit: number;
  isAll: boolean;
  isPeek: boolean;
}

// What a model can read at once; the rest comes with the next call, and is said to be there.
const defaultLimit = 50;
const handoutBytes = 4 * 1024 * 1024;

/** `pilink recv` */
export async function runRecv(options: Given, context: Context): Promise<ExitCode> {
  const wanted = {
    waitMs: options.wait === undefined ? 0 : parseDuration(options.wait),
    limit: options.limit === undefined ? defaultLimit : parseCount(options.limit),
    isAll: options.all === true,
    isPeek: options.peek === true,
  };
  const place = placeHere({ network: options.network, name: options.as });
  const found = await chooseForTaking(place);
  if (found === undefined) throw noBackground(place);
  const { record } = found;
  if (found.isAlive) {
    const code = await takeFromLiving(record, wanted, context);
    if (code !== undefined) return code;
    await untilDead(place.home, record);
  }
  return takeLeft(place, record, wanted, context);
}

/** @returns undefined where the peer ended meanwhile */
async function takeFromLiving(
  record: BackgroundRecord,
  wanted: Wanted,
  context: Context,
): Promise<ExitCode | undefined> {
  let answer: Awaited<ReturnType<typeof ask<typeof handoutSchema>>>;
  try {
    answer = await ask(record, { command: "recv", ...wanted }, handoutSchema, context.signal);
  } catch (error) {
    if (isPilinkError(error) && error.code === "network-closed") return undefined;
    throw error;
  }
  if (answer === undefined) return undefined;
  const { messages, more } = answer.value;
  await print(messages, more, record, context);
  if (!wanted.isPeek) await answer.written();
  answer.close();
  return exitCodeFor(messages, wanted);
}

/** Takes from the inbox of a peer that has ended. */
async function takeLeft(
  { home }: Place,
  record: BackgroundRecord,
  wanted: Wanted,
  context: Context,
): Promise<ExitCode> {
  const reason = (await readRecord(home, record.id))?.ended?.reason ?? "it was killed";
  const inbox = await openLeftInbox(record.statePath, record.box);
  const unread = inbox?.unread() ?? [];
  try {
    const taken = cutOff(unread, { messages: wanted.limit, bytes: handoutBytes });
    const before = new Set<unknown>(unread);
    const earlier =
      wanted.isAll && taken.length < wanted.limit
        ? (inbox?.entries() ?? []).filter((entry) => !before.has(entry)).slice(-(wanted.limit - taken.length))
        : [];
    await print([...earlier, ...taken].map(showMessage), unread.length - taken.length, record, context);
    if (!wanted.isPeek) {
      inbox?.markSeen(taken.map(({ id }) => id));
      // Nothing is left to fetch: the next command is to say that there is no peer.
      if (taken.length === unread.length) await removeRecord(home, record);
    }
    context.note(`${describeBackground(record)} has ended: ${reason}.`);
    if (taken.length > 0 || earlier.length > 0) return exitCodes.done;
  } finally {
    await inbox?.close();
  }
  throw new PilinkError(
    "not-joined",
    `Nothing more comes for ${describeBackground(record)}. Join again with pilink join ${record.network} --name ${record.name} --background.`,
  );
}

async function print(
  messages: ShownMessage[],
  more: number,
  record: BackgroundRecord,
  { output, note }: Context,
): Promise<void> {
  const { network, name } = record;
  for (const message of messages) {
    await output.result(
      { event: "message", network, peer: name, ...message },
      describeMessage(message, { network, name }, output),
    );
  }
  if (more > 0) note(`${more} more ${more === 1 ? "message waits" : "messages wait"}.`);
}

function exitCodeFor(messages: ShownMessage[], { isPeek, waitMs }: Wanted): ExitCode {
  // A look has succeeded also where there was nothing to see.
  return messages.length > 0 || (isPeek && waitMs === 0) ? exitCodes.done : exitCodes.notYet;
}
