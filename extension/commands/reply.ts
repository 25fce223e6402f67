import type { InboxEntry, Peer } from "../../peer/peer.ts";
import { describeTime } from "../../peer/texts.ts";
import { cleanLine } from "../../protocol/clean.ts";
import { PilinkError, quoteValue } from "../../protocol/errors.ts";
import { bodyText } from "../../protocol/frame.ts";
import { looksLikeId } from "../../protocol/ids.ts";
import { splitWord } from "../arguments.ts";
import type { CommandScene, Subcommand } from "../commands.ts";
import { requireConnection } from "./joined.ts";
import { sendAndTell } from "./send.ts";

// A list to choose from; an older message is answered by its id.
const choiceLimit = 10;
// So much of an id is no chance: a word of a text does not begin like the id of a message that has come.
const beginningLength = 6;
const meantCharacters = 50;
// So that a line with an id at its end does not break in 80 columns.
const listedCharacters = 30;

/** `/pilink reply` */
export const replyCommand: Subcommand = {
  name: "reply",
  usage: "/pilink reply [<id>] [<text>]",
  summary:
    "Answers the last message, or the one with that id. Without a text it asks which message, and for the answer.",
  async run(line, scene) {
    const { session, ctx } = scene;
    const { peer } = requireConnection(session);
    const answerable = peer.inbox().filter((entry) => entry.from !== undefined && entry.verified);
    const last = answerable.at(-1);
    if (last === undefined) {
      throw new PilinkError(
        "bad-argument",
        `No message that can be answered has arrived in the network "${peer.network}". Use /pilink send <peer> <text>.`,
      );
    }
    const [word, rest] = splitWord(line);
    const named = findNamed(peer, answerable, word);
    const text = named === undefined ? line.trim() : rest;
    if (text.trim() !== "") return answer(scene, peer, named ?? last, text);
    if (!ctx.hasUI) throw new PilinkError("bad-argument", `What is the answer? Usage: ${replyCommand.usage}`);
    const chosen = named ?? (await choose(scene, answerable));
    const written = chosen && (await ctx.ui.editor(`Answer to ${describeMeant(chosen)}`));
    if (chosen === undefined || written === undefined || written.trim() === "") {
      return session.say("Nothing was sent.");
    }
    await answer(scene, peer, chosen, written);
  },
};

/**
 * The message that the first word of the line names.
 *
 * @returns undefined where that word is the beginning of the text
 * @throws PilinkError `bad-argument` where it looks like an id, and no message that can be answered has it: what was
 *   meant for one agent must not go to another
 */
function findNamed(peer: Peer, answerable: readonly InboxEntry[], word: string): InboxEntry | undefined {
  const exact = answerable.find(({ id }) => id === word);
  if (exact !== undefined) return exact;
  const beginning = word.length < beginningLength ? [] : answerable.filter(({ id }) => id.startsWith(word));
  const [only] = beginning;
  if (only !== undefined && beginning.length === 1) return only;
  const isThere = peer.inbox().some(({ id }) => id === word);
  if (!isThere && beginning.length === 0 && !looksLikeId(word)) return undefined;
  const why = isThere
    ? `Message ${word} cannot be answered: no agent that is known has sent it.`
    : beginning.length > 1
      ? `${beginning.length} messages have an id that begins with ${quoteValue(word)}. Write more of it.`
      : `No message that can be answered has the id ${quoteValue(word)}. /pilink inbox all lists them.`;
  throw new PilinkError("bad-argument", `Nothing was sent. ${why} If it is the answer, put another word before it.`, {
    value: word,
  });
}

/** From whom a message is, and how it begins. */
function describeMeant({ from, body }: InboxEntry): string {
  const begun = cleanLine(bodyText(body), meantCharacters);
  return begun === "" ? `${from}` : `${from}: “${begun}”`;
}

async function answer(scene: CommandScene, peer: Peer, { id, from }: InboxEntry, text: string): Promise<void> {
  if (from === undefined)
    throw new PilinkError("bad-argument", `Message ${id} has no sender to answer.`, { value: id });
  await sendAndTell(scene, { to: [from], body: text, re: id }, peer);
}

async function choose({ ctx }: CommandScene, answerable: readonly InboxEntry[]): Promise<InboxEntry | undefined> {
  const recent = answerable.slice(-choiceLimit).reverse();
  const [only] = recent;
  if (recent.length === 1) return only;
  const lines = recent.map(
    ({ from, atMs, body, id }) =>
      `${describeTime(atMs)} ${from}: ${cleanLine(bodyText(body), listedCharacters)} [${id}]`,
  );
  const chosen = await ctx.ui.select("Which message?", lines);
  return chosen === undefined ? undefined : recent[lines.indexOf(chosen)];
}
