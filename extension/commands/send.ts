import { PilinkError } from "../../protocol/errors.ts";
import { splitReceivers } from "../arguments.ts";
import type { Subcommand } from "../commands.ts";
import { describeOutcome } from "../texts.ts";
import { requireConnection } from "./joined.ts";

/** `/pilink send` */
export const sendCommand: Subcommand = {
  name: "send",
  usage: "/pilink send <peer[,peer…]|all> <text>",
  summary: "Sends a message. The text goes as it is typed, without quotes around it.",
  async run(line, { session }) {
    const { peer } = requireConnection(session);
    const { to, text } = splitReceivers(line);
    if (to.length === 0) throw new PilinkError("bad-argument", `To whom? Usage: ${sendCommand.usage}`);
    if (text.trim() === "") {
      const receivers = to === "all" ? "all" : to.join(",");
      throw new PilinkError("bad-argument", `What should be sent to ${receivers}? Usage: ${sendCommand.usage}`);
    }
    const outcomes = await peer.send({ to, body: text });
    const failed = outcomes.filter(({ state }) => state === "refused" || state === "denied" || state === "expired");
    session.say(
      [`Message in the network "${peer.network}":`, ...outcomes.map((outcome) => `  ${describeOutcome(outcome)}`)].join(
        "\n",
      ),
      failed.length === 0 ? "info" : failed.length === outcomes.length ? "error" : "warning",
    );
  },
};
