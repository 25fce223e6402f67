import type { OpenSeat } from "../../mcp/main.ts";
import type { Settings } from "../../peer/settings.ts";
import { homeFolder } from "../../store/folder.ts";
import { offerPeer } from "../background/offering.ts";
import { Desk } from "../desk.ts";
import { type ExitCode, exitCodes } from "../exit-codes.ts";
import type { Given } from "../given.ts";

/** `pilink mcp`: the other commands find its peer as they find a background peer. */
export async function runMcpCommand({ network, name, role, url }: Given): Promise<ExitCode> {
  const { runMcp } = await import("../../mcp/main.ts");
  const flags: Settings = {};
  for (const [key, value] of Object.entries({ network, name, role, url })) {
    if (value !== undefined) Object.assign(flags, { [key]: value });
  }
  await runMcp({ flags, onSeated: offerSeat });
  return exitCodes.done;
}

async function offerSeat({ peer, broker, chain, isGiven, leave }: OpenSeat): Promise<() => Promise<void>> {
  const desk = new Desk(peer, { chain, isOpen: isGiven });
  const offering = await offerPeer({
    home: homeFolder(process.env),
    folder: process.cwd(),
    desk,
    broker,
    leave: () => void leave(),
  });
  return async () => {
    desk.close();
    await offering.settle();
    // The next server of this name and folder gives out what this one has not.
    await offering.close("its client has ended", 0);
  };
}
