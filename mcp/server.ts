import { McpServer } from "@modelcontextprotocol/server";
import { z } from "zod";
import { packageVersion } from "../broker/managed.ts";
import { writeInstructions } from "./instructions.ts";
import { addResources, inboxUri, rosterUri } from "./resources.ts";
import { addTools, type ToolParts } from "./tools.ts";

// A roster changes in bursts: a client is told once.
const burstMs = 100;

/**
 * Makes the server of one client. It may be made twice for one client, where that asks first which MCP is spoken: so
 * it holds nothing.
 *
 * @param era `legacy` for MCP of 2025, where a client subscribes to one resource at a time
 */
export function makeServer(parts: ToolParts, era: "legacy" | "modern"): McpServer {
  const server = new McpServer(
    { name: "pilink", title: "PI//LINK", version: packageVersion() },
    {
      capabilities: { tools: {}, resources: { subscribe: true, listChanged: false } },
      instructions: writeInstructions(parts.seat.isFixed),
    },
  );
  addTools(server, parts);
  addResources(server, parts.seat, parts.intake);
  announceChanges(server, parts, era);
  return server;
}

/** Announces changes of the resources: to a client of 2025 those that it subscribed to; of others the SDK knows them. */
function announceChanges(server: McpServer, { seat }: ToolParts, era: "legacy" | "modern"): void {
  const subscribed = new Set<string>();
  if (era === "legacy") {
    server.server.setRequestHandler("resources/subscribe", ({ params }) => {
      subscribed.add(uriSchema.parse(params.uri));
      return {};
    });
    server.server.setRequestHandler("resources/unsubscribe", ({ params }) => {
      subscribed.delete(params.uri);
      return {};
    });
  }
  const due = new Map<string, NodeJS.Timeout>();
  const announce = (uri: string) => () => {
    if (due.has(uri) || (era === "legacy" && !subscribed.has(uri))) return;
    const timer = setTimeout(() => {
      due.delete(uri);
      if (!server.isConnected()) return;
      // The client may end in this very moment.
      server.server.sendResourceUpdated({ uri }).catch(() => undefined);
    }, burstMs);
    due.set(uri, timer.unref());
  };
  const onInbox = announce(inboxUri);
  const onRoster = announce(rosterUri);
  const onOver = () => {
    onInbox();
    onRoster();
  };
  seat.events.on("inbox", onInbox).on("roster", onRoster).on("over", onOver);
  server.server.onclose = () => {
    for (const timer of due.values()) clearTimeout(timer);
    seat.events.off("inbox", onInbox).off("roster", onRoster).off("over", onOver);
  };
}

const uriSchema = z.enum([rosterUri, inboxUri]);
