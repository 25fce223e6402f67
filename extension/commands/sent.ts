import type { SentEntry } from "../../peer/peer.ts";
import { count, describeTime } from "../../peer/texts.ts";
import { cleanLine } from "../../protocol/clean.ts";
import { PilinkError, quoteValue } from "../../protocol/errors.ts";
import { bodyText } from "../../protocol/frame.ts";
import { parseArguments } from "../arguments.ts";
import type { Subcommand } from "../commands.ts";
import { requireConnection } from "./joined.ts";

const listLimit = 20;
const lineCharactersLimit = 120;

const meanings = {
  queued: "queued, its receiver is away",
  sent: "sent, no receipt yet",
  received: "received",
  injected: "in its session",
  seen: "read by its model",
  replied: "answered",
  denied: "denied",
  expired: "expired",
} as const satisfies Record<SentEntry["state"], string>;

/** `/pilink sent` */
export const sentCommand: Subcommand = {
  name: "sent",
  usage: "/pilink sent [all]",
  summary: "Shows what became of each message that this agent sent, the latest last.",
  async run(line, { session }) {
    const { words } = parseArguments(line, {}, sentCommand.usage, 1);
    const [word] = words;
    if (word !== undefined && word !== "all") {
      throw new PilinkError("bad-argument", `${quoteValue(word)} is not understood. Usage: ${sentCommand.usage}`, {
        value: word,
      });
    }
    const { peer } = requireConnection(session);
    const entries = peer.sent();
    const shown = word === "all" ? entries : entries.slice(-listLimit);
    if (shown.length === 0) return session.say(`"${peer.name}" has sent nothing in the network "${peer.network}".`);
    session.say(
      [
        `${count(entries.length, "message")} sent by "${peer.name}" in the network "${peer.network}":`,
        ...(shown.length < entries.length
          ? [`  ${count(entries.length - shown.length, "older one")}: /pilink sent all`]
          : []),
        ...shown.map(describeSent),
      ].join("\n"),
    );
  },
};

function describeSent({ id, to, body, atMs, state, reason }: SentEntry): string {
  const why = reason === undefined ? "" : `: ${cleanLine(reason, 100)}`;
  // The id has a line of its own: behind a text it breaks in two.
  return `  ${describeTime(atMs)} to ${to} — ${meanings[state]}${why} — ${cleanLine(bodyText(body), lineCharactersLimit)}\n    [${id}]`;
}
