import { randomBytes, timingSafeEqual } from "node:crypto";
import { createServer, type Socket } from "node:net";
import type { ControlStatus } from "./control.ts";

interface ControlRequest {
  token: string;
  command: "status" | "stop";
  /** Of `stop`: only if no client is connected. */
  onlyIfIdle: boolean;
}

// A request is one short line; more than a few at once are none of ours.
const requestLimitBytes = 1024;
const connectionLimit = 16;
const requestTimeoutMs = 2_000;

/** How a managed broker is asked: a port on 127.0.0.1 and the secret that its record holds. */
export interface ControlAddress {
  port: number;
  token: string;
}

/**
 * Answers status and stop requests, one line of JSON each way per connection, to who knows the token.
 * A port of its own, because Windows has no signals to ask with, and what MQTT topics say is the protocol's matter.
 *
 * @param broker what to answer, and what to do on a stop that is obeyed (called after the answer is out)
 * @throws the system's error where no port can be had
 */
export async function serveControl(broker: {
  status(): Omit<ControlStatus, "stopping">;
  stop(): void;
}): Promise<ControlAddress & { close(): void }> {
  const token = randomBytes(24).toString("base64url");
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.once("close", () => sockets.delete(socket));
    // A client that goes away in the middle of a question needs no answer.
    socket.on("error", () => socket.destroy());
    socket.setTimeout(requestTimeoutMs, () => socket.destroy());
    if (sockets.size > connectionLimit) return void socket.destroy();
    readLine(socket, (line) => {
      const request = parseRequest(line);
      if (request === undefined || !isSame(request.token, token)) return void socket.destroy();
      const status = broker.status();
      const stopping = request.command === "stop" && !(request.onlyIfIdle && status.clients > 0);
      socket.end(`${JSON.stringify({ ...status, stopping })}\n`, () => {
        if (stopping) broker.stop();
      });
    });
  });
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen({ host: "127.0.0.1", port: 0 }, resolve);
  });
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error("the control channel listens on no TCP port");
  return {
    port: address.port,
    token,
    close: () => {
      server.close();
      for (const socket of sockets) socket.destroy();
    },
  };
}

/**
 * Reads one line from a connection; one that is too long ends it.
 *
 * @param socket the connection
 * @param onLine called at most once
 */
export function readLine(socket: Socket, onLine: (line: string) => void): void {
  let text = "";
  const collect = (chunk: Buffer) => {
    text += chunk.toString("latin1");
    const end = text.indexOf("\n");
    if (end >= 0) {
      socket.off("data", collect);
      onLine(text.slice(0, end));
    } else if (text.length > requestLimitBytes) socket.destroy();
  };
  socket.on("data", collect);
}

/** The value of a line of JSON; undefined where it is none. */
export function parseJsonLine(line: string): unknown {
  try {
    return JSON.parse(line);
  } catch {
    return undefined;
  }
}

// By hand and not by a schema: zod costs the broker's process 15 MB of memory.
function parseRequest(line: string): ControlRequest | undefined {
  const value = parseJsonLine(line);
  if (typeof value !== "object" || value === null || !("token" in value) || !("command" in value)) return undefined;
  const { token, command } = value;
  if (typeof token !== "string" || (command !== "status" && command !== "stop")) return undefined;
  return { token, command, onlyIfIdle: "onlyIfIdle" in value && value.onlyIfIdle === true };
}

function isSame(given: string, token: string): boolean {
  const [a, b] = [Buffer.from(given), Buffer.from(token)];
  return a.length === b.length && timingSafeEqual(a, b);
}
