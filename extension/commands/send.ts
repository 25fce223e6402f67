import { PilinkError } from "../../protocol/errors.ts";
import { splitWord } from "../arguments.ts";
import type { Subcommand } from "../commands.ts";
import { describeOutcome } from "../texts.ts";
import { requireConnection } from "./joined.ts";

/** `/pilink send` */
export const sendCommand: Subcommand = {
  name: "send",
  usage: "/pilink send <peer[,peer…]|all> <text>",
  summary: "Sends a message. The text goes as it is typed, without quotes around it.",
  async run(line, scene) {
    const { peer } = requireConnection(scene);
    const [target, text] = splitWord(line);
    if (target === "") throw new PilinkError("bad-argument", `To whom? Usage: ${sendCommand.usage}`);
    if (text.trim() === "")
      throw new PilinkError("bad-argument", `What should be sent to ${target}? Usage: ${sendCommand.usage}`);
    const names = target.split(",").filter((name) => name !== "");
    const outcomes = await peer.send({ to: target === "all" ? "all" : names, body: text });
    const failed = outcomes.filter(({ state }) => state === "refused" || state === "denied" || state === "expired");
    const head = `Message in the network "${peer.network}":`;
    scene.session.say(
      [head, ...outcomes.map((outcome) => `  ${describeOutcome(outcome)}`)].join("\n"),
      failed.length === 0 ? "info" : failed.length === outcomes.length ? "error" : "warning",
    );
  },
};
