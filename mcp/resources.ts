import type { McpServer } from "@modelcontextprotocol/server";
import { cleanLine } from "../protocol/clean.ts";
import type { Intake } from "./intake.ts";
import { cutOff, describeHeld, frameEntry } from "./message-text.ts";
import type { Seat, Seated } from "./seat.ts";

/** The addresses of the resources. */
export const rosterUri = "pilink://roster";
export const inboxUri = "pilink://inbox";

/** Offers who is here and what is unread as resources: reading them takes nothing. */
export function addResources(server: McpServer, seat: Seat, intake: Intake): void {
  server.registerResource(
    "roster",
    rosterUri,
    {
      title: "Agents in the network",
      description: "Who is in the network now, as JSON. Roles and places are what each agent says of itself.",
      mimeType: "application/json",
    },
    async (uri) => {
      const seated = await seat.current();
      return { contents: [{ uri: uri.href, mimeType: "application/json", text: JSON.stringify(listAgents(seated)) }] };
    },
  );
  server.registerResource(
    "inbox",
    inboxUri,
    {
      title: "Unread messages",
      description:
        "The messages from other agents that pilink_inbox has not given out yet. Reading this does not take them.",
      mimeType: "text/plain",
    },
    async (uri) => {
      const seated = await seat.current();
      return { contents: [{ uri: uri.href, mimeType: "text/plain", text: showInbox(seated, intake) }] };
    },
  );
}

function listAgents(seated: Seated | undefined) {
  if (seated === undefined) return { network: null, agents: [] };
  const { network, state } = seated.peer;
  const shown = (text: string | undefined) => (text === undefined ? undefined : cleanLine(text, 200));
  const agents = seated.peer.roster().map(({ name, state: here, isHost, isSelf, presence }) => ({
    name,
    state: here,
    isHost,
    isSelf,
    role: shown(presence.role),
    activity: shown(presence.activity),
    machine: shown(presence.machine),
    folder: shown(presence.folder),
    model: shown(presence.model),
    since: new Date(presence.since).toISOString(),
  }));
  return { network, state, agents };
}

function showInbox(seated: Seated | undefined, intake: Intake): string {
  if (seated === undefined) return "This agent is in no network.";
  const { given, held } = intake.sort(seated);
  const shown = cutOff(given);
  // Whoever reads this may act on it: it counts like a message that was taken (hazard 15).
  intake.noteShown(shown);
  return [
    given.length === 0 ? "No unread message." : `${given.length} unread.`,
    ...shown.map((entry) => frameEntry(seated.peer.network, entry)),
    ...(held.length === 0 ? [] : [describeHeld(held)]),
  ].join("\n\n");
}
