import { defineTool, type ExtensionAPI } from "@earendil-works/pi-coding-agent";
import { Type } from "typebox";
import { agentsTool, describeCompany, describeOutcomes, readModelMessage, sendTool } from "../peer/model-tools.ts";
import type { Peer } from "../peer/peer.ts";
import { PilinkError } from "../protocol/errors.ts";
import type { Session } from "./session.ts";
import { agentsDrawing, sendDrawing } from "./tool-lines.ts";

const toolNames: string[] = [agentsTool.name, sendTool.name];

/** Gives the model the tools of a network. Idempotent within a session; a new session needs them again. */
export function addTools(pi: ExtensionAPI, peer: Peer, session: ToolSession): void {
  pi.registerTool(makeAgentsTool(peer));
  pi.registerTool(makeSendTool(peer, session));
  // A name that was taken out before is not active again by being registered again.
  pi.setActiveTools([...new Set([...pi.getActiveTools(), ...toolNames])]);
}

/** Takes the tools away: outside of a network they could only fail. */
export function removeTools(pi: ExtensionAPI): void {
  const active = pi.getActiveTools();
  if (toolNames.some((name) => active.includes(name))) {
    pi.setActiveTools(active.filter((name) => !toolNames.includes(name)));
  }
}

function makeAgentsTool(peer: Peer) {
  return defineTool({
    name: agentsTool.name,
    label: agentsTool.label,
    description: agentsTool.description,
    promptSnippet: agentsTool.snippet,
    parameters: Type.Object({}),
    ...agentsDrawing,
    execute: async () => {
      const entries = await peer.confirmRoster();
      return {
        content: [{ type: "text", text: describeCompany(peer, entries) }],
        details: { agents: entries.map(({ name, state }) => ({ name, state })) },
      };
    },
  });
}

function makeSendTool(peer: Peer, session: ToolSession) {
  return defineTool({
    name: sendTool.name,
    label: sendTool.label,
    promptSnippet: sendTool.snippet,
    description: sendTool.describe(
      "It answers, if it does, with a message of its own that will appear in this session later; do not wait or poll for it.",
    ),
    parameters: Type.Object({
      to: Type.Union([Type.String(), Type.Array(Type.String(), { minItems: 1 })], {
        description: sendTool.parameters.to,
      }),
      body: Type.String({ minLength: 1, description: sendTool.parameters.body }),
      re: Type.Optional(Type.String({ description: sendTool.parameters.re })),
    }),
    ...sendDrawing,
    execute: async (_callId, parameters, signal, _onUpdate, ctx) => {
      const { preferences } = session.connection ?? {};
      if (preferences === undefined) throw new PilinkError("not-joined", "This agent is in no network any more.");
      const message = readModelMessage(parameters);
      const onAsking = (isAsking: boolean) => session.phase.noteAsking(isAsking);
      const outcomes = await session.modelSends.send(message, { peer, preferences, ctx, signal, onAsking });
      return {
        content: [{ type: "text", text: describeOutcomes(outcomes) }],
        details: { outcomes: outcomes.map(({ to: name, id, state, reason }) => ({ to: name, id, state, reason })) },
      };
    },
  });
}

/** What the tools need of the session that they are in. */
export type ToolSession = Pick<Session, "connection" | "modelSends" | "phase">;
