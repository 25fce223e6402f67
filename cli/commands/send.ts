import { describeOutcome } from "../../peer/texts.ts";
import { PilinkError } from "../../protocol/errors.ts";
import { newId } from "../../protocol/ids.ts";
import { everybody } from "../../protocol/names.ts";
import { chooseBackground } from "../background/choice.ts";
import { sentSchema } from "../background/control.ts";
import { ask } from "../background/conversation.ts";
import type { Context } from "../context.ts";
import { Desk } from "../desk.ts";
import { parseDuration } from "../durations.ts";
import { enterForCommand } from "../entering.ts";
import { type ExitCode, exitCodes } from "../exit-codes.ts";
import { awaitedSchema, type Given } from "../given.ts";
import { type ShownMessage, type ShownOutcome, showMessage, showOutcome } from "../message.ts";
import { describeMessage } from "../message-text.ts";
import { type Place, placeHere, planEntering } from "../place.ts";
import { readBody } from "../reading.ts";
import { exitCodeFor, type SendRequest, sendAndWait } from "../sending.ts";
import { inShellWords } from "../wording.ts";

interface Sent {
  outcomes: ShownOutcome[];
  replies: ShownMessage[];
  exitCode: number;
}

// As long as a person looks at a line without wondering; an answer of a model takes longer.
const defaultTimeouts = { received: 5_000, seen: 30_000, reply: 120_000 } as const;

/** `pilink send` */
export async function runSend(to: string, words: string[], options: Given, context: Context): Promise<ExitCode> {
  const request = await readRequest(to, words, options);
  const place = placeHere({ network: options.network, name: options.as, url: options.url });
  const record = options.url === undefined ? await chooseBackground(place) : undefined;
  if (record !== undefined) {
    const answer = await ask(
      record,
      { command: "send", ...request, re: request.re ?? null, type: request.type ?? "message" },
      sentSchema,
      context.signal,
    );
    if (answer !== undefined) {
      await report(
        { ...answer.value },
        { network: record.network, from: record.name, isPassing: false },
        request,
        context,
      );
      if (answer.value.replies.length > 0) await answer.written();
      answer.close();
      return exitCodeIn(answer.value.exitCode);
    }
  }
  return sendInPassing(place, request, context);
}

async function readRequest(to: string, words: string[], options: Given): Promise<SendRequest> {
  const receivers = [...new Set(to.split(",").map((name) => name.trim()))].filter((name) => name !== "");
  if (receivers.length === 0)
    throw new PilinkError("bad-argument", "To whom? Name an agent, several with commas between them, or all.");
  if (receivers.includes(everybody) && receivers.length > 1) {
    throw new PilinkError("bad-argument", `"${everybody}" stands for everybody: name it alone.`, { value: to });
  }
  const { re, type = "message", ttl, timeout, jsonBody = false } = options;
  const wait = awaitedSchema.parse(options.wait ?? "received");
  const ttlMs = ttl === undefined ? undefined : parseDuration(ttl);
  if (ttlMs === 0) throw new PilinkError("bad-argument", "A message with --ttl 0 could never arrive.", { value: ttl });
  const timeoutMs = timeout === undefined ? defaultTimeouts[wait] : parseDuration(timeout);
  return {
    to: receivers.length === 1 && receivers[0] === everybody ? everybody : receivers,
    body: await readBody(words, jsonBody),
    type,
    ...(re === undefined ? {} : { re }),
    ...(ttlMs === undefined ? {} : { ttlMs }),
    until: wait,
    timeoutMs,
    isPersonal: process.stdin.isTTY === true,
  };
}

/** Sends as a peer that joins for this message only. */
async function sendInPassing(place: Place, request: SendRequest, context: Context): Promise<ExitCode> {
  if (place.values.network === undefined) {
    throw new PilinkError(
      "not-joined",
      "There is no background peer, and no network is named. Start one with pilink join <network> --background, or name the network with --network.",
    );
  }
  for (const text of place.notes) context.note(text);
  const { peer, notes } = await enterForCommand(planEntering(place, "join"), context);
  for (const text of notes) context.note(text);
  const desk = new Desk(peer);
  const holder = `command-${newId()}`;
  try {
    const result = await sendAndWait(desk, holder, request, context.signal);
    const exitCode = exitCodeFor(result, request.until);
    const { outcomes, replies } = result;
    await report(
      { outcomes: outcomes.map(showOutcome), replies: replies.map(showMessage), exitCode },
      { network: peer.network, from: peer.name, isPassing: true },
      request,
      context,
    );
    desk.confirm(holder);
    return context.signal.aborted ? exitCodes.interrupted : exitCode;
  } finally {
    desk.release(holder);
    desk.close();
    await peer.leave();
  }
}

interface Way {
  network: string;
  from: string;
  isPassing: boolean;
}

async function report(
  { outcomes, replies }: Sent,
  way: Way,
  request: SendRequest,
  { output, note }: Context,
): Promise<void> {
  const { network, from, isPassing } = way;
  if (isPassing)
    note(
      `No background peer was there, so "${from}" joined the network "${network}" for this message and leaves again.`,
    );
  for (const outcome of outcomes) {
    const { reason } = outcome;
    const told = { to: outcome.to, id: outcome.id, state: outcome.state, ...(reason === undefined ? {} : { reason }) };
    const text = inShellWords(describeOutcome(told));
    await output.result({ event: "outcome", network, from, passing: isPassing, ...outcome }, text);
  }
  const waiting = outcomes.filter(({ state }) => state === "queued" || state === "sent");
  if (isPassing && waiting.length > 0) {
    note(
      `What is on its way stays in the outbox of "${from}" and goes on when "${from}" is in the network "${network}" again: pilink join ${network} --name ${from} --background.`,
    );
  }
  for (const reply of replies) {
    await output.result(
      { event: "message", network, peer: from, ...reply },
      describeMessage(reply, { network, name: from }, output),
    );
  }
  if (request.until === "reply" && replies.length === 0) note("No answer came in time.");
}

function exitCodeIn(code: number): ExitCode {
  return Object.values(exitCodes).find((known) => known === code) ?? exitCodes.failed;
}
