import { once } from "node:events";
import type { IncomingMessage, ServerResponse } from "node:http";
import { z } from "zod";

const toolCallSchema = z.object({
  id: z.string(),
  function: z.object({ name: z.string(), arguments: z.string() }),
});

const messageSchema = z.object({
  role: z.string(),
  content: z
    .union([z.string(), z.array(z.object({ type: z.string(), text: z.string().optional() })), z.null()])
    .optional(),
  tool_calls: z.array(toolCallSchema).optional(),
  tool_call_id: z.string().optional(),
});

const bodySchema = z.object({
  model: z.string(),
  messages: z.array(messageSchema),
  tools: z
    .array(z.object({ function: z.object({ name: z.string(), description: z.string().optional() }) }))
    .default([]),
});

/** One message of a request, with its content as plain text. */
export interface ModelMessage {
  role: string;
  text: string;
  toolCalls: { id: string; name: string; arguments: string }[];
  toolCallId: string | undefined;
}

/** What one agent asked its model. */
export interface ModelRequest {
  modelId: string;
  messages: ModelMessage[];
  /** The names of the tools that the model may call. */
  tools: string[];
  /** The description of each of those tools. */
  toolDescriptions: Map<string, string>;
  /** The request as it was sent. */
  body: unknown;
  atMs: number;
  /** Aborts when the agent gives up, or is killed, before the answer is complete. */
  signal: AbortSignal;
}

/** What the model answers. */
export interface ModelReply {
  text?: string;
  toolCalls?: { name: string; arguments: Record<string, unknown> }[];
  /** Sends the first half of the text, then waits for this before it sends the rest. */
  finishAfter?: Promise<unknown>;
  /** Answers with this HTTP status and no completion. */
  failWith?: number;
}

/** The newest text of the user, which is where Pi puts injected messages too. */
export function lastUserText(request: ModelRequest): string {
  return request.messages.findLast(({ role }) => role === "user")?.text ?? "";
}

/** The results of the tools called since the newest text of the user. */
export function toolResults(request: ModelRequest): string[] {
  const lastUser = request.messages.findLastIndex(({ role }) => role === "user");
  return request.messages
    .slice(lastUser + 1)
    .filter(({ role }) => role === "tool")
    .map(({ text }) => text);
}

/** Everything of a request that the model reads, the system prompt too. */
export function allText(request: ModelRequest): string {
  return request.messages.map(({ text }) => text).join("\n");
}

/** Reads the body of a request to its end. */
export async function readText(incoming: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of incoming) chunks.push(Buffer.from(chunk));
  return Buffer.concat(chunks).toString("utf8");
}

/**
 * Reads what an agent asked.
 *
 * @param body the request's JSON
 * @param signal aborts when the agent gives up
 * @throws ZodError where it is no request for a chat completion
 */
export function readRequest(body: unknown, signal: AbortSignal): ModelRequest {
  const { model, messages, tools } = bodySchema.parse(body);
  return {
    modelId: model,
    messages: messages.map((message) => ({
      role: message.role,
      text:
        typeof message.content === "string"
          ? message.content
          : (message.content ?? []).map((part) => part.text ?? `[${part.type}]`).join("\n"),
      toolCalls: (message.tool_calls ?? []).map((call) => ({ id: call.id, ...call.function })),
      toolCallId: message.tool_call_id,
    })),
    tools: tools.map((tool) => tool.function.name),
    toolDescriptions: new Map(tools.map((tool) => [tool.function.name, tool.function.description ?? ""])),
    body,
    atMs: performance.now(),
    signal,
  };
}

/** Sends an answer as server-sent `chat.completion.chunk` frames, the usage, and `[DONE]`. */
export async function streamReply(
  outgoing: ServerResponse,
  { modelId, signal }: ModelRequest,
  { text = "", toolCalls = [], finishAfter }: ModelReply,
  number: number,
): Promise<void> {
  const send = (choices: unknown[], usage?: unknown) => {
    const chunk = {
      id: `chatcmpl-${number}`,
      object: "chat.completion.chunk",
      created: 0,
      model: modelId,
      choices,
      usage,
    };
    outgoing.write(`data: ${JSON.stringify(chunk)}\n\n`);
  };
  const delta = (content: unknown) => send([{ index: 0, delta: content, finish_reason: null }]);
  outgoing.writeHead(200, { "content-type": "text/event-stream", "cache-control": "no-cache" });
  delta({ role: "assistant", content: "" });
  // Never in the middle of a surrogate pair.
  const letters = [...text];
  const middle = Math.ceil(letters.length / 2);
  if (text !== "") delta({ content: letters.slice(0, middle).join("") });
  if (finishAfter) {
    await Promise.race([finishAfter, once(outgoing, "close")]);
    if (signal.aborted) return;
  }
  if (letters.length > middle) delta({ content: letters.slice(middle).join("") });
  for (const [index, call] of toolCalls.entries()) {
    const id = `call_${number}_${index}`;
    delta({ tool_calls: [{ index, id, type: "function", function: { name: call.name, arguments: "" } }] });
    delta({ tool_calls: [{ index, function: { arguments: JSON.stringify(call.arguments) } }] });
  }
  send([{ index: 0, delta: {}, finish_reason: toolCalls.length > 0 ? "tool_calls" : "stop" }]);
  send([], { prompt_tokens: 10, completion_tokens: 5, total_tokens: 15 });
  outgoing.end("data: [DONE]\n\n");
}
