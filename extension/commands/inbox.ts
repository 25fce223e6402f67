import type { InboxEntry } from "../../peer/peer.ts";
import { count, describeSenders, describeTime } from "../../peer/texts.ts";
import { cleanLine } from "../../protocol/clean.ts";
import { PilinkError, quoteValue } from "../../protocol/errors.ts";
import { bodyText } from "../../protocol/frame.ts";
import { parseArguments } from "../arguments.ts";
import type { Subcommand } from "../commands.ts";
import { isPending, isUnread } from "../reading.ts";
import type { Session } from "../session.ts";
import { requireConnection } from "./joined.ts";

// What is read at a glance; `inbox all` and `inbox <id>` show the rest.
const listLimit = 20;
const lineCharactersLimit = 200;

/** `/pilink inbox` */
export const inboxCommand: Subcommand = {
  name: "inbox",
  usage: "/pilink inbox [all|clear|<id>]",
  summary: "Shows the messages that arrived, unread ones first, and marks them as read. With an id, the whole of one.",
  async run(line, { session }) {
    const { words } = parseArguments(line, {}, inboxCommand.usage, 1);
    const [word] = words;
    const { peer } = requireConnection(session);
    const entries = peer.inbox();
    if (word === "clear") {
      const open = entries.filter(isPending);
      peer.markAttention(
        open.map(({ id }) => id),
        "cleared",
      );
      session.say(
        open.length === 0
          ? `Nothing waits in the inbox of "${peer.name}" (network "${peer.network}").`
          : `Cleared ${count(open.length, "message")} from ${describeSenders(open)} (network "${peer.network}"). No turn is started on ${open.length === 1 ? "it" : "them"} unless you name ${open.length === 1 ? "its" : "one's"} id: /pilink go <id>.`,
      );
      return session.refresh();
    }
    if (word !== undefined && word !== "all") return showOne(session, word);
    if (entries.length === 0) {
      return session.say(`No message has arrived for "${peer.name}" in the network "${peer.network}".`);
    }
    const unread = entries.filter(isUnread);
    const others = entries.filter((entry) => !isUnread(entry)).reverse();
    const shownOthers = word === "all" ? others : others.slice(0, Math.max(0, listLimit - unread.length));
    session.say(
      [
        `${unread.length === 0 ? "No unread message" : count(unread.length, "unread message")} for "${peer.name}" in the network "${peer.network}"${unread.length === 0 ? "." : ":"}`,
        ...unread.map(describeMessage),
        ...(shownOthers.length === 0 ? [] : ["Before:", ...shownOthers.map(describeMessage)]),
        ...(shownOthers.length < others.length
          ? [`${count(others.length - shownOthers.length, "older message")}: /pilink inbox all`]
          : []),
      ].join("\n"),
    );
    markRead(session, unread);
  },
};

/**
 * The message that a person means.
 *
 * @param typed its id, or the beginning of it where that is only one's
 * @throws PilinkError `bad-argument`
 */
export function findMessage(entries: readonly InboxEntry[], typed: string): InboxEntry {
  const exact = entries.find(({ id }) => id === typed);
  if (exact !== undefined) return exact;
  const beginning = entries.filter(({ id }) => id.startsWith(typed));
  const [only] = beginning;
  if (only !== undefined && beginning.length === 1) return only;
  throw new PilinkError(
    "bad-argument",
    only === undefined
      ? `No message in the inbox has the id ${quoteValue(typed)}. /pilink inbox all lists them.`
      : `${beginning.length} messages have an id that begins with ${quoteValue(typed)}. Write more of it.`,
    { value: typed },
  );
}

function showOne(session: Session, typed: string): void {
  const { peer } = requireConnection(session);
  const entry = findMessage(peer.inbox(), typed);
  const { id, re, type, atMs } = entry;
  session.say(
    [
      `Message ${id} from ${describeSenders([entry])} (network "${peer.network}"), ${describeTime(atMs)}${type === "message" ? "" : `, ${type}`}${re === null ? "" : `, answers ${re}`}:`,
      bodyText(entry.body),
    ].join("\n"),
  );
  markRead(session, [entry]);
}

function markRead(session: Session, entries: InboxEntry[]): void {
  const { peer } = requireConnection(session);
  peer.markAttention(
    entries.map(({ id }) => id),
    "read",
  );
  session.refresh();
}

function describeMessage(entry: InboxEntry): string {
  const { id, atMs, body, state } = entry;
  const marks =
    state === "seen" || state === "replied" ? ` (${state === "seen" ? "read by the model" : "answered"})` : "";
  // The id has a line of its own: behind a text it breaks in two.
  return `  ${describeTime(atMs)} ${describeSenders([entry])}${marks}: ${cleanLine(bodyText(body), lineCharactersLimit)}\n    [${id}]`;
}
