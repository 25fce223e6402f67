import { PilinkError } from "../../protocol/errors.ts";
import { parseArguments } from "../arguments.ts";
import type { Subcommand } from "../commands.ts";
import { count, describeSenders } from "../texts.ts";
import { requireConnection } from "./joined.ts";

/** `/pilink go` */
export const goCommand: Subcommand = {
  name: "go",
  usage: "/pilink go",
  summary: "Starts one turn of the model on the messages that it has not read yet.",
  async run(line, scene) {
    parseArguments(line, {}, goCommand.usage);
    const { peer } = requireConnection(scene);
    const { session } = scene;
    if (session.isCompacting) {
      throw new PilinkError(
        "bad-argument",
        "The session is being compacted; no turn can start now. Run /pilink go again when that is done.",
      );
    }
    const entries = session.go(peer);
    if (entries.length === 0) return session.say(`No message waits in the network "${peer.network}".`);
    session.say(
      `The model is given ${count(entries.length, "message")} from ${describeSenders(entries)} (network "${peer.network}").`,
    );
  },
};
