import { createServer, type IncomingMessage, type Server } from "node:http";
import type { Socket } from "node:net";
import type { Duplex } from "node:stream";
import { createWebSocketStream, type WebSocket, WebSocketServer } from "ws";
import { isLoopback } from "../protocol/address.ts";

/** How much {@link createWebSocketServer} lets a connection take. */
export interface WebSocketLimits {
  /** The largest WebSocket message, in bytes; also one that came in fragments. */
  packetLimitBytes: number;
  /** How much may wait to be written before the stream calls itself full, in bytes. */
  writeBufferBytes: number;
}

/** Whom {@link createWebSocketServer} tells. */
export interface WebSocketListeners {
  /** Every connection, before anything is read from it. */
  onSocket: (socket: Socket) => void;
  /** A connection that speaks WebSocket: its bytes, not yet known to be MQTT, and the connection that they come by. */
  onStream: (stream: Duplex, socket: Socket) => void;
  /** Told of faults in handshakes. */
  onFault: (fault: Error) => void;
}

// [MQTT-6.0.0-3], [MQTT-6.0.0-4]
const subprotocol = "mqtt";
// As long as a connection by TCP has for its CONNECT.
const handshakeMs = 10_000;
// A client that is told why it is cut off has this long to answer; meanwhile all that it sends is thrown away.
const farewellMs = 2_000;
// Pings are answered at once, whether or not their sender reads.
const waitingPongsBytes = 64 * 1024;

/**
 * Makes the server for MQTT over WebSocket (MQTT 3.1.1, section 6); it does not listen yet.
 *
 * Refused is a handshake that does not offer the subprotocol `mqtt`, and one of a web page that is not from this
 * machine: a browser lets any page on the internet connect to 127.0.0.1, and this broker has no accounts.
 *
 * @param limits see {@link WebSocketLimits}
 * @param listeners see {@link WebSocketListeners}
 */
export function createWebSocketServer(limits: WebSocketLimits, listeners: WebSocketListeners): Server {
  const timeouts = { headersTimeout: handshakeMs, requestTimeout: handshakeMs, connectionsCheckingInterval: 1_000 };
  const server = createServer({ ...timeouts, noDelay: true }, (_request, response) => {
    response.writeHead(426, { Connection: "close", Upgrade: "websocket" });
    response.end("This is a port for MQTT over WebSocket.\n");
  });
  // A name of its own, because the types do not know `closeTimeout`.
  const options = {
    noServer: true,
    clientTracking: false,
    maxPayload: limits.packetLimitBytes,
    // What is small when it arrives could be of any size when it is unpacked.
    perMessageDeflate: false,
    autoPong: false,
    closeTimeout: farewellMs,
    handleProtocols: () => subprotocol,
  };
  const handshakes = new WebSocketServer(options);
  server.on("connection", listeners.onSocket);
  server.on("upgrade", (request, socket, head) => {
    const fault = faultOf(request);
    if (fault !== undefined) {
      listeners.onFault(new Error(`connection from ${describe(request.socket)} refused: ${fault.reason}`));
      socket.on("error", listeners.onFault);
      socket.end(`HTTP/1.1 ${fault.status}\r\nConnection: close\r\nContent-Length: 0\r\n\r\n`, () => socket.destroy());
      return;
    }
    handshakes.handleUpgrade(request, socket, head, (webSocket) => {
      listeners.onStream(streamOf(webSocket, limits), request.socket);
    });
  });
  return server;
}

function faultOf({ headers }: IncomingMessage): { status: string; reason: string } | undefined {
  const { origin } = headers;
  // Programs send none; a page from a file, or one locked up by another, sends "null".
  if (origin !== undefined && !isLoopback(origin)) {
    return { status: "403 Forbidden", reason: `a page from ${origin.slice(0, 200)} may not use this broker` };
  }
  const offered = (headers["sec-websocket-protocol"] ?? "").split(",").map((name) => name.trim());
  if (!offered.includes(subprotocol)) {
    return { status: "400 Bad Request", reason: `the subprotocol ${subprotocol} is not offered` };
  }
  return undefined;
}

function streamOf(webSocket: WebSocket, limits: WebSocketLimits): Duplex {
  const stream = createWebSocketStream(webSocket, { writableHighWaterMark: limits.writeBufferBytes });
  // The stream tells of the first fault. What follows it would be thrown.
  webSocket.on("error", () => {});
  webSocket.prependListener("message", (_data: unknown, isBinary: boolean) => {
    // [MQTT-6.0.0-1]
    if (!isBinary) stream.destroy(new Error("a WebSocket message of text, where MQTT has binary ones"));
  });
  webSocket.on("ping", (data) => {
    if (webSocket.bufferedAmount < waitingPongsBytes) webSocket.pong(data);
  });
  return stream;
}

function describe({ remoteAddress, remotePort }: Socket): string {
  return `${remoteAddress}:${remotePort}`;
}
