import type { InboxEntry, Peer } from "../../peer/peer.ts";
import { describeTime } from "../../peer/texts.ts";
import { cleanLine } from "../../protocol/clean.ts";
import { PilinkError } from "../../protocol/errors.ts";
import { bodyText } from "../../protocol/frame.ts";
import { splitWord } from "../arguments.ts";
import type { CommandScene, Subcommand } from "../commands.ts";
import { requireConnection } from "./joined.ts";
import { sendAndTell } from "./send.ts";

// A list to choose from; an older message is answered by its id.
const choiceLimit = 10;

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
    const named = word === "" ? undefined : answerable.find(({ id }) => id === word);
    const text = named === undefined ? line.trim() : rest;
    if (text.trim() !== "") return answer(scene, peer, named ?? last, text);
    if (!ctx.hasUI) throw new PilinkError("bad-argument", `What is the answer? Usage: ${replyCommand.usage}`);
    const chosen = named ?? (await choose(scene, answerable));
    const written = chosen && (await ctx.ui.editor(`Answer to ${chosen.from}`));
    if (chosen === undefined || written === undefined || written.trim() === "") {
      return session.say("Nothing was sent.");
    }
    await answer(scene, peer, chosen, written);
  },
};

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
    ({ from, atMs, body, id }) => `${describeTime(atMs)} ${from}: ${cleanLine(bodyText(body), 60)} [${id}]`,
  );
  const chosen = await ctx.ui.select("Which message?", lines);
  return chosen === undefined ? undefined : recent[lines.indexOf(chosen)];
}
