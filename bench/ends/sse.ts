import { once } from "node:events";
import { Agent, type IncomingMessage, request } from "node:http";
import { z } from "zod";
import type { End, Hear } from "./end.ts";
import type { SsePlace } from "./place.ts";

const eventSchema = z.object({ from: z.string(), body: z.string() });

/** Opens a stream of events from the hub; texts are sent by POST. A text counts as sent when the hub has answered. */
export async function openSseEnd({ name, port }: SsePlace, hear: Hear): Promise<End> {
  const agent = new Agent({ keepAlive: true });
  const place = { host: "127.0.0.1", port, agent };
  const asked = request({ ...place, path: `/events?name=${name}`, agent: false });
  asked.end();
  const [stream] = await once(asked, "response");
  readEvents(stream, (data) => hear(eventSchema.parse(JSON.parse(data)).body));
  return {
    async send(to, body) {
      const posting = request({
        ...place,
        method: "POST",
        path: "/send",
        headers: { "content-type": "application/json" },
      });
      posting.end(JSON.stringify({ from: name, to, body }));
      const answer = await new Promise<IncomingMessage>((resolve, reject) => {
        posting.once("response", resolve);
        posting.once("error", reject);
      });
      answer.resume();
      await once(answer, "end");
      if (answer.statusCode !== 200) throw new Error(`The hub answered ${answer.statusCode} to a text for ${to}.`);
    },
  };
}

function readEvents(stream: IncomingMessage, take: (data: string) => void): void {
  let held = "";
  stream.setEncoding("utf8");
  stream.on("data", (chunk: string) => {
    const parts = (held + chunk).split("\n\n");
    held = parts.pop() ?? "";
    for (const part of parts) if (part.startsWith("data: ")) take(part.slice("data: ".length));
  });
}
