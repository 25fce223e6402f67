import { type RecordedMessage, readAudits } from "../../peer/audit-reading.ts";
import { describeTime } from "../../peer/texts.ts";
import { cleanLine } from "../../protocol/clean.ts";
import { bodyText } from "../../protocol/frame.ts";
import { parseName } from "../../protocol/names.ts";
import type { Context } from "../context.ts";
import { parseCount, parseDuration } from "../durations.ts";
import { type ExitCode, exitCodes } from "../exit-codes.ts";
import type { Given } from "../given.ts";
import type { Output } from "../output.ts";
import { placeHere } from "../place.ts";

/** `pilink log` */
export async function runLog(given: Given, context: Context): Promise<ExitCode> {
  const { as, network, since, peer, grep, limit } = given;
  const { home, values, isNameChosen } = placeHere({ network, name: as });
  const sinceMs = since === undefined ? Number.NEGATIVE_INFINITY : Date.now() - parseDuration(since);
  const wantedPeer = peer === undefined ? undefined : parseName(peer);
  const most = limit === undefined ? Number.POSITIVE_INFINITY : parseCount(limit);
  const text = grep?.toLowerCase();
  const { messages, unreadable } = await readAudits(home, {
    network: network === undefined && process.env.PILINK_NETWORK === undefined ? undefined : values.network,
    name: isNameChosen ? values.name : undefined,
    sinceMs,
  });
  const fitting = messages.filter(
    (message) =>
      (wantedPeer === undefined || message.peer === wantedPeer) &&
      (text === undefined || bodyText(message.body).toLowerCase().includes(text)),
  );
  for (const message of most === Number.POSITIVE_INFINITY ? fitting : fitting.slice(-most)) {
    await context.output.result(message, describeRecorded(message, context.output));
  }
  if (unreadable > 0) context.note(`${unreadable} lines of the audit cannot be read, and were left out.`);
  if (fitting.length === 0) context.note("Nothing was recorded that fits.");
  return exitCodes.done;
}

function describeRecorded(message: RecordedMessage, output: Output): string {
  const { at, network, name, peer, direction, id, type, re, body, state, reason, verified } = message;
  const other = peer === null ? "?" : cleanLine(peer, 64);
  const way = direction === "out" ? `${name} → ${other}` : `${other} → ${name}`;
  const details = [
    id,
    ...(type === "message" ? [] : [cleanLine(type, 20)]),
    ...(re === null ? [] : [`answers ${cleanLine(re, 64)}`]),
  ];
  return [
    output.styled("dim", describeTime(at)),
    output.styled("cyan", network),
    output.styled("bold", way),
    `${cleanLine(state, 20)}${reason === null ? "" : `: ${cleanLine(reason, 120)}`}${verified ? "" : ", unverified"}`,
    output.styled("dim", `(${details.join(", ")})`),
    cleanLine(bodyText(body), 400),
  ].join("  ");
}
