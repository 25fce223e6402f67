import { once } from "node:events";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import { z } from "zod";
import { onCleanup } from "../support/cleanup.ts";
import { readText } from "../support/model-wire.ts";
import { listen } from "../support/network.ts";

const partSchema = z.looseObject({
  type: z.string(),
  text: z.string().optional(),
  content: z.union([z.string(), z.array(z.looseObject({ text: z.string().optional() }))]).optional(),
});
const contentSchema = z.union([z.string(), z.array(partSchema)]);
const requestSchema = z.looseObject({
  model: z.string(),
  stream: z.boolean().optional(),
  system: contentSchema.optional(),
  messages: z.array(z.looseObject({ role: z.string(), content: contentSchema })),
  tools: z.array(z.looseObject({ name: z.string() })).optional(),
});

/** What an agent asked its model. */
export interface AnthropicRequest {
  /** Everything that it says to the model before the conversation. */
  system: string;
  /** Each message of the conversation as plain text, also the results of tools. */
  messages: string[];
  /** The names of the tools that the model may call. */
  tools: string[];
}

/** What the model answers. */
export type AnthropicReply = { text: string } | { tool: string; input: Record<string, unknown> };

/** A model server that speaks Anthropic's Messages API and answers what a test decides. */
export interface AnthropicModel {
  url: string;
  /** The requests that could call tools, oldest first: an agent asks for titles and the like, too. */
  requests: AnthropicRequest[];
}

/**
 * Starts a server that answers `POST /v1/messages`, with streaming and without.
 *
 * @param respond decides what is answered to a request that can call tools
 */
export async function startAnthropicModel(
  respond: (request: AnthropicRequest) => AnthropicReply | Promise<AnthropicReply>,
): Promise<AnthropicModel> {
  const requests: AnthropicRequest[] = [];
  const answer = async (incoming: IncomingMessage, outgoing: ServerResponse) => {
    const { pathname } = new URL(incoming.url ?? "/", "http://localhost");
    if (incoming.method !== "POST" || pathname !== "/v1/messages") {
      outgoing.writeHead(404, { "content-type": "application/json" });
      outgoing.end(JSON.stringify({ type: "error", error: { type: "not_found_error", message: pathname } }));
      return;
    }
    const body = requestSchema.parse(JSON.parse(await readText(incoming)));
    const request: AnthropicRequest = {
      system: textOf(body.system ?? ""),
      messages: body.messages.map(({ content }) => textOf(content)),
      tools: (body.tools ?? []).map(({ name }) => name),
    };
    let reply: AnthropicReply = { text: "a title" };
    if (request.tools.length > 0) {
      requests.push(request);
      reply = await respond(request);
    }
    const message = messageOf(body.model, reply, requests.length);
    if (body.stream !== true) {
      outgoing.writeHead(200, { "content-type": "application/json" });
      outgoing.end(JSON.stringify(message));
      return;
    }
    outgoing.writeHead(200, { "content-type": "text/event-stream" });
    for (const event of eventsOf(message)) {
      outgoing.write(`event: ${event.type}\ndata: ${JSON.stringify(event)}\n\n`);
    }
    outgoing.end();
  };
  const server = createServer((incoming, outgoing) => {
    answer(incoming, outgoing).catch((failure: unknown) => {
      if (outgoing.headersSent) return outgoing.destroy();
      outgoing.writeHead(400, { "content-type": "application/json" });
      const error = { type: "invalid_request_error", message: `scripted model: ${failure}` };
      outgoing.end(JSON.stringify({ type: "error", error }));
    });
  });
  const port = await listen(server);
  const forget = onCleanup(async () => {
    forget();
    server.closeAllConnections();
    server.close();
    await once(server, "close");
  });
  return { url: `http://127.0.0.1:${port}`, requests };
}

function textOf(content: z.infer<typeof contentSchema>): string {
  if (typeof content === "string") return content;
  const parts = content.map((part) => {
    const inner = part.content;
    return part.text ?? (typeof inner === "string" ? inner : (inner ?? []).map(({ text = "" }) => text).join("\n"));
  });
  return parts.join("\n");
}

interface Block {
  type: "text" | "tool_use";
  [field: string]: unknown;
}

function messageOf(model: string, reply: AnthropicReply, number: number) {
  const block: Block =
    "text" in reply
      ? { type: "text", text: reply.text }
      : { type: "tool_use", id: `toolu_${number}`, name: reply.tool, input: reply.input };
  return {
    id: `msg_${number}`,
    type: "message",
    role: "assistant",
    model,
    content: [block],
    stop_reason: "text" in reply ? "end_turn" : "tool_use",
    stop_sequence: null,
    usage: { input_tokens: 1, output_tokens: 1 },
  };
}

function eventsOf(message: ReturnType<typeof messageOf>): { type: string; [field: string]: unknown }[] {
  const { content, stop_reason, stop_sequence, usage } = message;
  const blocks = content.flatMap((block, index) => {
    const isText = block.type === "text";
    const delta = isText
      ? { type: "text_delta", text: block.text }
      : { type: "input_json_delta", partial_json: JSON.stringify(block.input) };
    return [
      {
        type: "content_block_start",
        index,
        content_block: isText ? { type: "text", text: "" } : { ...block, input: {} },
      },
      { type: "content_block_delta", index, delta },
      { type: "content_block_stop", index },
    ];
  });
  return [
    { type: "message_start", message: { ...message, content: [], stop_reason: null } },
    ...blocks,
    { type: "message_delta", delta: { stop_reason, stop_sequence }, usage },
    { type: "message_stop" },
  ];
}
