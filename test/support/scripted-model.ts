import { once } from "node:events";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import { onCleanup } from "./cleanup.ts";
import { withinDeadline } from "./eventually.ts";
import { lastUserText, type ModelReply, type ModelRequest, readRequest, readText, streamReply } from "./model-wire.ts";
import { listen } from "./network.ts";

export {
  allText,
  lastUserText,
  type ModelReply,
  type ModelRequest,
  toolResults,
} from "./model-wire.ts";

/** Decides what the model answers. */
export type Responder = (request: ModelRequest) => ModelReply | Promise<ModelReply>;

/** A model held until the test lets it answer. */
export interface HeldReply {
  /** The request that waits. */
  request: Promise<ModelRequest>;
  /** Lets the model answer, and hands later requests to the responder that was there before. */
  release(reply?: ModelReply): void;
}

/** A model server whose answers a test decides. */
export interface ScriptedModel {
  port: number;
  url: string;
  /** Every request, oldest first. */
  requests: ModelRequest[];
  /** Sets who answers: for every model id without a responder of its own, or for one id. */
  script(responder: Responder): void;
  script(modelId: string, responder: Responder): void;
  /** Lets the next request of this model wait until it is released. */
  hold(modelId?: string): HeldReply;
  /** The requests of one model. */
  requestsOf(modelId: string): ModelRequest[];
  /** The first request, also one already made, that matches; `after` skips that many requests. */
  waitForRequest(
    matches: (request: ModelRequest) => boolean,
    options?: { timeoutMs?: number; after?: number },
  ): Promise<ModelRequest>;
  close(): Promise<void>;
}

/**
 * Starts a server that answers `POST /v1/chat/completions` as a streaming OpenAI-compatible model.
 *
 * @param options the first responder; without one every request is answered with "ok"
 */
export async function startScriptedModel(
  options: { responder?: Responder; port?: number } = {},
): Promise<ScriptedModel> {
  const requests: ModelRequest[] = [];
  const responders = new Map<string, Responder>();
  const waiting = new Set<(request: ModelRequest) => void>();
  let fallback: Responder = options.responder ?? (() => ({ text: "ok" }));

  const server = createServer((incoming, outgoing) => {
    answer(incoming, outgoing).catch((failure: unknown) => {
      if (outgoing.destroyed) return;
      // Pi shows the text of a failed request; a 400 is not tried again, so the test fails at once.
      if (!outgoing.headersSent) outgoing.writeHead(400, { "content-type": "application/json" });
      outgoing.end(JSON.stringify({ error: { message: `scripted model: ${failure}` } }));
    });
  });

  const answer = async (incoming: IncomingMessage, outgoing: ServerResponse) => {
    if (incoming.method !== "POST" || incoming.url !== "/v1/chat/completions") {
      outgoing.writeHead(404).end();
      return;
    }
    const gone = new AbortController();
    outgoing.on("close", () => {
      if (!outgoing.writableFinished) gone.abort();
    });
    const body: unknown = JSON.parse(await readText(incoming));
    const request = readRequest(body, gone.signal);
    requests.push(request);
    for (const tell of [...waiting]) tell(request);
    const reply = await (responders.get(request.modelId) ?? fallback)(request);
    if (gone.signal.aborted) return;
    if (reply.failWith !== undefined) {
      outgoing.writeHead(reply.failWith, { "content-type": "application/json" });
      outgoing.end(JSON.stringify({ error: { message: `scripted failure ${reply.failWith}` } }));
      return;
    }
    await streamReply(outgoing, request, reply, requests.length);
  };

  const port = await listen(server, options.port);
  const close = async () => {
    forget();
    server.closeAllConnections();
    if (!server.listening) return;
    server.close();
    await once(server, "close");
  };
  const forget = onCleanup(close);

  return {
    port,
    url: `http://127.0.0.1:${port}/v1`,
    requests,
    script(first: string | Responder, second?: Responder) {
      if (typeof first === "function") fallback = first;
      else if (second) responders.set(first, second);
    },
    hold(modelId = "scripted-1") {
      const arrived = Promise.withResolvers<ModelRequest>();
      const released = Promise.withResolvers<ModelReply>();
      const previous = responders.get(modelId);
      const restore = () => {
        if (previous) responders.set(modelId, previous);
        else responders.delete(modelId);
      };
      responders.set(modelId, (request) => {
        restore();
        arrived.resolve(request);
        return released.promise;
      });
      return {
        get request() {
          return withinDeadline(arrived.promise, 15_000, () => `No request of ${modelId} came to be held within 15 s.`);
        },
        release: (reply = { text: "released" }) => released.resolve(reply),
      };
    },
    requestsOf: (modelId) => requests.filter((request) => request.modelId === modelId),
    async waitForRequest(matches, { timeoutMs = 10_000, after = 0 } = {}) {
      const known = requests.slice(after).find(matches);
      if (known) return known;
      const { promise, resolve } = Promise.withResolvers<ModelRequest>();
      const tell = (request: ModelRequest) => {
        if (matches(request)) resolve(request);
      };
      waiting.add(tell);
      try {
        return await withinDeadline(promise, timeoutMs, () => {
          const seen = requests
            .slice(-5)
            .map((request) => `  ${request.modelId}: ${lastUserText(request).slice(-300)}`);
          return `No matching model request within ${timeoutMs} ms; the last of ${requests.length}:\n${seen.join("\n")}`;
        });
      } finally {
        waiting.delete(tell);
      }
    },
    close,
  };
}
