import {
  allText,
  lastUserText,
  type ModelReply,
  type ModelRequest,
  toolResults,
} from "../test/support/scripted-model.ts";

/** What dev's model asks prod. */
export const question = "Can you review the diff of the login fix?";

/** What prod's model answers. */
export const answer = "Reviewed: the login fix is fine, ship it.";

/** dev's model: sends when its user asks it to, and reports what became of it. */
export function playDev(request: ModelRequest): ModelReply {
  const results = toolResults(request);
  if (results.length > 0) return { text: `Done. ${results.at(-1)}` };
  if (!lastUserText(request).includes("review")) return { text: "Understood." };
  return { toolCalls: [{ name: "pilink_send", arguments: { to: "prod", body: question } }] };
}

/** prod's model: answers the message it finds in its context, by its id. */
export function playProd(request: ModelRequest): ModelReply {
  const results = toolResults(request);
  if (results.length > 0) return { text: `Answered. ${results.at(-1)}` };
  const id = /Message id: ([\w-]+)/.exec(allText(request))?.[1];
  if (id === undefined) return { text: "Nobody has written to me." };
  return { toolCalls: [{ name: "pilink_send", arguments: { to: "dev", body: answer, re: id } }] };
}
