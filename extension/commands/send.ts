import type { Outgoing, Peer, SendOutcome } from "../../peer/peer.ts";
import { describeAgent, describeOutcome } from "../../peer/texts.ts";
import { PilinkError } from "../../protocol/errors.ts";
import { bodyText } from "../../protocol/frame.ts";
import { everybody } from "../../protocol/names.ts";
import { splitReceivers } from "../arguments.ts";
import type { CommandScene, Subcommand } from "../commands.ts";
import { requireConnection } from "./joined.ts";

/** `/pilink send` */
export const sendCommand: Subcommand = {
  name: "send",
  usage: "/pilink send [<peer>[,<peer>…]|all] [<text>]",
  summary: "Sends a message. The text goes as it is typed, without quotes around it. What is left out is asked for.",
  async run(line, scene) {
    const { session, ctx } = scene;
    const { peer } = requireConnection(session);
    const { to, text } = splitReceivers(line);
    if (text.trim() !== "") return sendAndTell(scene, { to, body: text }, peer);
    if (!ctx.hasUI) {
      const question = to.length === 0 ? "To whom?" : `What should be sent to ${to === everybody ? to : to.join(",")}?`;
      throw new PilinkError("bad-argument", `${question} Usage: ${sendCommand.usage}`);
    }
    const receivers = to.length === 0 ? await chooseReceivers(scene, peer) : to;
    if (receivers === undefined) return session.say("Nothing was sent.");
    const written = await ctx.ui.editor(`Message to ${receivers === everybody ? "everybody" : receivers.join(", ")}`);
    if (written === undefined || written.trim() === "") return session.say("Nothing was sent.");
    await sendAndTell(scene, { to: receivers, body: written }, peer);
  },
};

/** Sends what a person wrote, and says what became of it. @throws PilinkError what `Peer.send` throws */
export async function sendAndTell({ session, ctx }: CommandScene, outgoing: Outgoing, peer: Peer): Promise<void> {
  const { to, body } = outgoing;
  const onTaken = (taken: SendOutcome[]) => {
    if (taken.every(({ id }) => id === undefined)) return;
    session.showSent({
      to: to === everybody ? to : [to].flat(),
      text: bodyText(body),
      atMs: Date.now(),
      outcomes: taken.map(({ to: name, id, state, reason }) => ({ to: name, id, state, reason })),
    });
  };
  const outcomes = await peer.send({ ...outgoing, onTaken });
  session.keepStates();
  const failed = outcomes.filter(({ state }) => state === "refused" || state === "denied" || state === "expired");
  // A terminal shows the line of the message with what became of it.
  const told = ctx.mode === "tui" ? failed : outcomes;
  if (told.length === 0) return;
  const lines = told.map(describeOutcome);
  session.say(
    lines.length === 1
      ? `Message in the network "${peer.network}" to ${lines[0]}`
      : [`Message in the network "${peer.network}":`, ...lines.map((line) => `  ${line}`)].join("\n"),
    failed.length === 0 ? "info" : failed.length === outcomes.length ? "error" : "warning",
  );
}

async function chooseReceivers({ ctx }: CommandScene, peer: Peer): Promise<string[] | "all" | undefined> {
  const others = (await peer.confirmRoster()).filter(({ isSelf }) => !isSelf);
  if (others.length === 0) {
    throw new PilinkError(
      "unknown-peer",
      `Nobody else is in the network "${peer.network}", so there is nobody to send to.`,
    );
  }
  const lines = others.map(describeAgent);
  const all = `Everybody (${others.length})`;
  const chosen = await ctx.ui.select("To whom?", others.length === 1 ? lines : [...lines, all]);
  if (chosen === undefined) return undefined;
  if (chosen === all) return everybody;
  const name = others[lines.indexOf(chosen)]?.name;
  return name === undefined ? undefined : [name];
}
