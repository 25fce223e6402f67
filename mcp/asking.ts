import {
  acceptedContent,
  CLIENT_CAPABILITIES_META_KEY,
  type ClientCapabilities,
  type InputRequiredResult,
  inputRequired,
  inputResponse,
  type ServerContext,
} from "@modelcontextprotocol/server";
import { z } from "zod";

const key = "agreed";
const agreementSchema = z.object({ [key]: z.boolean().describe("Agree") });

const modeSchema = z.looseObject({}).optional();
const capabilitiesSchema = z.looseObject({
  elicitation: z.looseObject({ form: modeSchema, url: modeSchema }).optional(),
});

/** What is known of the person's word on a call. */
export interface Asking {
  /** True where the client can ask its person. */
  canAsk: boolean;
  /** What the person said; undefined where it was not asked yet. */
  answer: "yes" | "no" | undefined;
}

/**
 * Reads what the person said to the question of an earlier round of this call, by MCP's elicitation. Clients that
 * speak MCP of 2025 are asked in a request of its own; the SDK makes the rounds there.
 *
 * @param declared what a client of 2025 stated of itself when it began
 */
export function readAsking({ mcpReq }: ServerContext, declared: ClientCapabilities | undefined): Asking {
  const stated = Object.entries(mcpReq.envelope ?? {}).find(([name]) => name === CLIENT_CAPABILITIES_META_KEY);
  const { elicitation } = capabilitiesSchema.parse(stated?.[1] ?? declared ?? {});
  // Without a mode it means forms (MCP 2025-11-25, "Elicitation").
  const canAsk = elicitation !== undefined && (elicitation.form !== undefined || elicitation.url === undefined);
  const response = inputResponse(mcpReq.inputResponses, key);
  if (response.kind === "missing") return { canAsk, answer: undefined };
  const content = acceptedContent(mcpReq.inputResponses, key, agreementSchema);
  return { canAsk, answer: content?.[key] === true ? "yes" : "no" };
}

/** Asks the person; the call comes again with the answer. */
export function ask(question: string): InputRequiredResult {
  return inputRequired({
    inputRequests: { [key]: inputRequired.elicit({ message: question, requestedSchema: agreementSchema }) },
  });
}
