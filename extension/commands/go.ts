import { count, describeSenders } from "../../peer/texts.ts";
import { PilinkError } from "../../protocol/errors.ts";
import { parseArguments } from "../arguments.ts";
import type { Subcommand } from "../commands.ts";
import { findMessage } from "./inbox.ts";
import { requireConnection } from "./joined.ts";

/** `/pilink go` */
export const goCommand: Subcommand = {
  name: "go",
  usage: "/pilink go [<id>]",
  summary: "Starts one turn of the model on the messages that it has not read yet, or on the one with that id.",
  async run(line, { session, ctx }) {
    const [typed] = parseArguments(line, {}, goCommand.usage, 1).words;
    const { peer } = requireConnection(session);
    if (!session.canTake()) {
      throw new PilinkError(
        "bad-argument",
        "The session is being compacted, so no turn can start now. Run /pilink go again when that is done.",
      );
    }
    const isBusy = !ctx.isIdle();
    const named = typed === undefined ? undefined : findMessage(peer.inbox(), typed).id;
    const entries = session.go(peer, named);
    if (entries.length === 0) return session.say(`No message waits in the network "${peer.network}".`);
    // A terminal shows the line of the request, as soon as the model has it.
    if (ctx.mode === "tui" && !isBusy) return;
    const when = isBusy ? "The model is busy; when it is done it is given" : "The model is given";
    session.say(
      `${when} ${count(entries.length, "message")} from ${describeSenders(entries)} (network "${peer.network}").`,
    );
  },
};
