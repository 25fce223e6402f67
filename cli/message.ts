import type { z } from "zod";
import type { InboxEntry, RosterEntry, SendOutcome } from "../peer/peer.ts";
import type { Presence } from "../protocol/presence.ts";
import type { agentSchema, messageSchema, outcomeSchema } from "./background/control.ts";

/** One message as commands show it. */
export type ShownMessage = z.infer<typeof messageSchema>;
/** What became of a message to one receiver, as commands show it. */
export type ShownOutcome = z.infer<typeof outcomeSchema>;
/** One agent as commands show it. */
export type ShownAgent = z.infer<typeof agentSchema>;

/** A message for a reader. `at` is in milliseconds since 1970. */
export function showMessage({ id, from, verified, type, re, body, atMs, late, state }: InboxEntry): ShownMessage {
  return {
    id,
    from: from ?? null,
    verified,
    type,
    re,
    body,
    at: atMs,
    late,
    ...(state === "seen" || state === "replied" ? { taken: true } : {}),
  };
}

/** An outcome for a reader. */
export function showOutcome({ to, id, state, reason }: SendOutcome): ShownOutcome {
  return { to, ...(id === undefined ? {} : { id }), state, ...(reason === undefined ? {} : { reason }) };
}

/** An agent for a reader. */
export function showAgent({ name, presence, state, isSelf, isHost }: RosterEntry): ShownAgent {
  return { name, state, host: isHost, self: isSelf, ...showPresence(presence) };
}

/** What a record says of an agent, for a reader. */
export function showPresence({ role, activity, machine, folder, model, since }: Presence) {
  const told: Omit<ShownAgent, "name" | "state" | "host" | "self"> = { since };
  for (const [key, value] of Object.entries({ role, activity, machine, folder, model })) {
    if (value !== undefined) Object.assign(told, { [key]: value });
  }
  return told;
}
