import { changeHomeConfig } from "../../peer/config-file.ts";
import type { JsonObject } from "../../peer/json-file.ts";
import { describeAddress } from "../../protocol/address.ts";
import { PilinkError } from "../../protocol/errors.ts";
import { isJsonObject } from "../../protocol/json.ts";
import { parseArguments } from "../arguments.ts";
import type { Subcommand } from "../commands.ts";
import { loadPart } from "../parts.ts";
import type { Wish } from "../wizard.ts";
import { createCommand, enter, joinCommand } from "./enter.ts";

/** `/pilink setup` */
export const setupCommand: Subcommand = {
  name: "setup",
  usage: "/pilink setup",
  summary: "Shows the networks that are there, and asks what to do: join one, create one, use another broker.",
  async run(line, scene) {
    parseArguments(line, {}, setupCommand.usage);
    const { ctx, session } = scene;
    if (!ctx.hasUI) {
      throw new PilinkError(
        "bad-argument",
        `Nobody can be asked here. Use ${createCommand.usage} or ${joinCommand.usage}.`,
      );
    }
    const { askEntrance } = await loadPart(() => import("../wizard.ts"));
    const wish = await askEntrance(scene);
    if (wish === undefined) return session.say("Nothing was changed.");
    const { kind, network, flags, home } = wish;
    await enter(
      {
        kind,
        network,
        flags,
        about: undefined,
        yes: false,
        usage: setupCommand.usage,
        onEntered: () => changeHomeConfig(home, (held) => remember(held, ctx.cwd, wish)),
      },
      scene,
    );
  },
};

/** Keeps what was chosen for the next time in this folder. An account is not kept, nor a name that nobody chose. */
function remember(held: JsonObject, folder: string, { network, flags }: Wish): JsonObject {
  const folders = isJsonObject(held.folders) ? held.folders : {};
  const former = isJsonObject(folders[folder]) ? folders[folder] : {};
  return {
    ...held,
    folders: {
      ...folders,
      [folder]: {
        ...former,
        network,
        ...(flags.name === undefined ? {} : { name: flags.name }),
        ...(flags.url === undefined ? {} : { url: describeAddress(flags.url) }),
      },
    },
  };
}
