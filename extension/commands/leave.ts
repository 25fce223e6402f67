import { parseArguments } from "../arguments.ts";
import { endAttempt } from "../attempt.ts";
import type { Subcommand } from "../commands.ts";
import { mayCutOff, requireConnection } from "./joined.ts";

/** `/pilink leave` */
export const leaveCommand: Subcommand = {
  name: "leave",
  usage: "/pilink leave [--yes]",
  summary: "Leaves the network. If this agent hosts it, that ends it for everybody.",
  async run(line, scene) {
    const { options } = parseArguments(line, { yes: "switch" }, leaveCommand.usage);
    const { session } = scene;
    if (endAttempt(session.carried)) {
      const { peer: held } = session.connection ?? {};
      const place = held === undefined ? "in no network" : `still in the network "${held.network}"`;
      return session.say(`The attempt to enter a network was ended; this agent is ${place}.`);
    }
    const { peer } = requireConnection(session);
    const { network, name, state } = peer;
    if (!(await mayCutOff(scene, options.yes === true))) return session.say(`Still in the network "${network}".`);
    await session.leave();
    session.say(
      state === "closed"
        ? `The network "${network}" had ended; this agent, "${name}", is in no network now.`
        : `This agent, "${name}", has left the network "${network}".`,
    );
  },
};
