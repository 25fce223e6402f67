import type { Peer, PeerEvents, RosterEntry } from "../../peer/peer.ts";
import { PilinkError } from "../../protocol/errors.ts";
import type { Context } from "../context.ts";
import { Desk } from "../desk.ts";
import { enterForCommand } from "../entering.ts";
import { type ExitCode, exitCodes } from "../exit-codes.ts";
import type { Given } from "../given.ts";
import { EventLines } from "../listening/event-lines.ts";
import { InputLines } from "../listening/input-lines.ts";
import { LineReader } from "../listening/line-reader.ts";
import { showAgent, showMessage } from "../message.ts";
import { placeHere, planEntering } from "../place.ts";

// A body of 1 MiB may be six times as long where each of its characters is escaped.
const lineLengthLimit = 8 * 1024 * 1024;

/** `pilink listen --json` */
export async function runListen(network: string | undefined, given: Given, context: Context): Promise<ExitCode> {
  if (given.json !== true) {
    throw new PilinkError(
      "bad-argument",
      "listen speaks JSON lines only: add --json. For a person there are pilink watch, and pilink recv --wait.",
    );
  }
  const { name, role, url, create = false, input = true } = given;
  const place = placeHere({ network, name, role, url });
  for (const text of place.notes) context.note(text);
  const { peer, notes, broker } = await enterForCommand(planEntering(place, create ? "either" : "join"), context);
  for (const text of notes) context.note(text);
  const lines = new EventLines(process.stdout);
  const over = new AbortController();
  const end = () => over.abort();
  context.signal.addEventListener("abort", end);
  if (context.signal.aborted) end();
  lines.onBroken = end;
  const desk = new Desk(peer);
  lines.offer({
    event: "ready",
    network: peer.network,
    name: peer.name,
    kind: peer.kind,
    url: broker.url,
    about: peer.about ?? null,
    agents: peer.roster().map(showAgent),
  });
  const ended = followPeer(peer, lines, end);
  const inputLines = new InputLines(desk, lines);
  const reading = input ? readInput(inputLines, over) : undefined;
  await handOut(desk, lines, over.signal);
  // What was read gets its outcome, unless nobody is there any more to read that.
  if (!lines.isBroken && !desk.isOver && !context.signal.aborted) await inputLines.settle();
  reading?.close();
  desk.close();
  await peer.leave();
  await lines.flush();
  if (ended.code !== undefined) return ended.code;
  return lines.isBroken ? exitCodes.failed : exitCodes.done;
}

/** Gives out messages one after the other: each counts as taken once its line was written (hazard 13). */
async function handOut(desk: Desk, lines: EventLines, signal: AbortSignal): Promise<void> {
  const holder = `listen-${process.pid}`;
  for (;;) {
    await desk.untilUnread(signal);
    if (signal.aborted || desk.isOver) break;
    const [entry] = desk.handOut(holder, { messages: 1, bytes: Number.POSITIVE_INFINITY });
    if (entry === undefined) continue;
    if (await lines.write({ event: "message", ...showMessage(entry) })) desk.confirm(holder);
    else break;
  }
  desk.release(holder);
}

function readInput(inputLines: InputLines, over: AbortController): LineReader {
  const reader = new LineReader(
    process.stdin,
    lineLengthLimit,
    (line, isCut) => inputLines.take(line, isCut),
    () => over.abort(),
  );
  inputLines.onFull = () => reader.pause();
  inputLines.onRoom = () => reader.resume();
  return reader;
}

type Listeners = { [Name in keyof PeerEvents]?: (...args: PeerEvents[Name]) => void };

/** Tells what happens in the network. @returns the exit code where that ended it */
function followPeer(peer: Peer, lines: EventLines, end: () => void): { code: ExitCode | undefined } {
  const ended: { code: ExitCode | undefined } = { code: undefined };
  const stop = (code: ExitCode) => {
    ended.code ??= code;
    end();
  };
  const tellAgent = (event: string) => (entry: RosterEntry) => lines.offer({ event, ...showAgent(entry) });
  const listeners: Listeners = {
    joined: tellAgent("joined"),
    returned: tellAgent("returned"),
    departed: tellAgent("departed"),
    lost: tellAgent("lost"),
    suspended: ({ host }) => lines.offer({ event: "suspended", host }),
    resumed: ({ host }) => lines.offer({ event: "resumed", host }),
    connected: () => lines.offer({ event: "connected" }),
    disconnected: ({ reason }) => lines.offer({ event: "disconnected", reason }),
    trouble: ({ code, message }) => lines.offer({ event: "trouble", code, message }),
    sent: ({ id, to, state, reason }) => lines.offerState({ event: "sent", id, to, state, reason: reason ?? null }),
    closed: ({ reason }) => {
      lines.offer({ event: "closed", reason });
      stop(exitCodes.noNetwork);
    },
    displaced: ({ code, message }) => {
      lines.offer({ event: "displaced", code, message });
      stop(exitCodes.refused);
    },
  };
  // The emitter's own types lose the tie between a name and its arguments; the table above keeps it.
  for (const [name, listener] of Object.entries(listeners))
    Reflect.apply(peer.events.on, peer.events, [name, listener]);
  return ended;
}
