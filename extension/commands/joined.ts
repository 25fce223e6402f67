import type { ExtensionContext } from "@earendil-works/pi-coding-agent";
import { PilinkError } from "../../protocol/errors.ts";
import type { Connection } from "../connection.ts";
import { isAgreed } from "../question.ts";
import type { Session } from "../session.ts";

/** A session in which something is entered or left: for a command, or when Pi starts. */
export interface Scene {
  session: Session;
  ctx: ExtensionContext;
}

/**
 * The connection that a command needs.
 *
 * @throws PilinkError `not-joined` where this Pi is in no network
 */
export function requireConnection({ connection }: Session): Connection {
  if (connection === undefined) {
    throw new PilinkError(
      "not-joined",
      "This agent is in no network. Run /pilink setup, /pilink create <network> or /pilink join <network> first.",
    );
  }
  return connection;
}

/**
 * Makes sure that the person knows whom leaving cuts off.
 *
 * @param yes true where the person has said so already
 * @returns false where the person changed its mind
 * @throws PilinkError `bad-argument` where nobody can be asked
 */
export async function mayCutOff({ session, ctx }: Scene, yes: boolean): Promise<boolean> {
  const { peer } = session.connection ?? {};
  const others = peer?.dependents() ?? [];
  if (peer === undefined || others.length === 0 || yes) return true;
  const consequence = `This agent hosts the network "${peer.network}". Leaving ends it for ${others.join(", ")}.`;
  if (!ctx.hasUI) throw new PilinkError("bad-argument", `${consequence} Add --yes to do it.`);
  return isAgreed(ctx, {
    title: `Leave the network "${peer.network}"?`,
    text: consequence,
    no: "stay in it",
    yes: "leave, and end it for them",
  });
}
