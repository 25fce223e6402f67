import {
  type ExtensionContext,
  getAgentDir,
  hasTrustRequiringProjectResources,
  ProjectTrustStore,
} from "@earendil-works/pi-coding-agent";
import { type FolderTrust, type ResolvedSettings, resolveSettings } from "../peer/config.ts";
import type { Settings } from "../peer/settings.ts";
import { messageOf } from "../protocol/errors.ts";
import { homeFolder } from "../store/folder.ts";

/**
 * The settings that hold for a command in this Pi.
 *
 * @param flags what was given with the command
 * @throws PilinkError `bad-config`, `bad-argument`
 */
export function settingsHere(
  ctx: Pick<ExtensionContext, "cwd" | "isProjectTrusted">,
  flags: Settings = {},
): ResolvedSettings & { home: string } {
  const home = homeFolder(process.env);
  const { trust, note } = findTrust(ctx);
  const settled = resolveSettings({ home, folder: ctx.cwd, trust, env: process.env, flags });
  return { ...settled, home, notes: [...settled.notes, ...(note === undefined ? [] : [note])] };
}

/**
 * Whether the person trusts the folder. Pi says "trusted" also where it had nothing to ask about: in a folder that has
 * nothing for Pi itself, whatever else came with it. That is told apart from a person's word.
 */
function findTrust(ctx: Pick<ExtensionContext, "cwd" | "isProjectTrusted">): { trust: FolderTrust; note?: string } {
  if (!ctx.isProjectTrusted()) return { trust: "none" };
  try {
    if (hasTrustRequiringProjectResources(ctx.cwd)) return { trust: "granted" };
    const decision = new ProjectTrustStore(getAgentDir()).get(ctx.cwd);
    return { trust: decision === null ? "implied" : decision ? "granted" : "none" };
  } catch (error) {
    return { trust: "implied", note: `Whether this folder is trusted could not be read: ${messageOf(error)}` };
  }
}
