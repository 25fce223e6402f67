// What a user would pick instead: a hub that takes messages by POST and passes each on as a server-sent event.
import { once } from "node:events";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import { text } from "node:stream/consumers";
import { z } from "zod";
import { serve } from "../serving.ts";
import { portOf } from "./port.ts";

const postSchema = z.object({ from: z.string(), to: z.string(), body: z.string() });
const streams = new Map<string, ServerResponse>();

async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
  const { pathname, searchParams } = new URL(request.url ?? "/", "http://hub");
  if (request.method === "GET" && pathname === "/events") {
    const name = searchParams.get("name") ?? "";
    response.writeHead(200, { "content-type": "text/event-stream", "cache-control": "no-cache" });
    response.flushHeaders();
    streams.set(name, response);
    response.on("close", () => streams.delete(name));
    return;
  }
  const { from, to, body } = postSchema.parse(JSON.parse(await text(request)));
  const stream = streams.get(to);
  stream?.write(`data: ${JSON.stringify({ from, body })}\n\n`);
  response.writeHead(stream === undefined ? 404 : 200, { "content-type": "application/json" });
  response.end(JSON.stringify({ ok: stream !== undefined }));
}

const server = createServer((request, response) => {
  answer(request, response).catch(() => response.writeHead(400).end());
});

serve({
  async listen() {
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    return portOf(server);
  },
});
