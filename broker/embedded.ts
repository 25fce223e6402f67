import { EventEmitter } from "node:events";
import { type AddressInfo, createServer, type Server, type Socket } from "node:net";
import type { Duplex } from "node:stream";
import { Aedes, type AedesOptions, type Client } from "aedes";
import { messageOf } from "../protocol/errors.ts";
import { deadEndTopic, mayPublish, maySubscribe, refusedFilter } from "./access.ts";
import { wsRefusedCode } from "./background.ts";
import { applyBounds, type Bounded, type BrokerBounds, defaultBounds } from "./bounds.ts";
import { Gathering } from "./gathering.ts";
import { defaultPacketLimitBytes, guardPackets } from "./guard.ts";
import { createNewsCheck, News } from "./news.ts";
import { Outbound } from "./outbound.ts";
import { probeIdPrefix } from "./probe.ts";

/** What {@link startEmbeddedBroker} needs to know. */
export interface EmbeddedBrokerOptions {
  /** Where to listen; loopback by default. */
  host?: string;
  /** 0, the default, takes a free one. */
  port?: number;
  /** Where to listen for MQTT over WebSocket, on the same host; 0 takes a free port. Not at all by default. */
  wsPort?: number | undefined;
  /** The largest packet taken, in bytes; {@link defaultPacketLimitBytes} by default. */
  packetLimitBytes?: number;
  /** How long a subscriber may take nothing, once its buffer is full, before it is cut off; 5 s by default. */
  drainTimeoutMs?: number;
  /** How much memory is given to what outlives a connection; {@link defaultBounds} by default. */
  bounds?: BrokerBounds;
  /** How long without a client until `onIdle` is called; never by default. */
  idleMs?: number;
  /** Called once there was no client for `idleMs`. */
  onIdle?: () => void;
  /** Told of faults that end a connection, or that Aedes has with itself. None of them ends the broker. */
  onFault?: (fault: Error) => void;
}

/** A running broker inside this process. */
export interface EmbeddedBroker {
  host: string;
  port: number;
  /** How a client on this machine reaches it. */
  url: string;
  /** Where it listens for MQTT over WebSocket; undefined where it does not. */
  wsPort: number | undefined;
  /** How many clients are connected; connections that only probe do not count. */
  clientCount(): number;
  /** What is kept for clients that are away, or have not acknowledged it. */
  usage: Bounded["usage"];
  /** Ends all connections and the listening. Idempotent. */
  close(): Promise<void>;
}

// How much may wait for one subscriber, in this process.
const subscriberLimitBytes = 64 * 1024 * 1024;

/**
 * Starts Aedes on a TCP port, and for WebSocket on another where that is wanted, with its state in memory.
 *
 * @param options see {@link EmbeddedBrokerOptions}
 * @throws the system's error (`EADDRINUSE`, `EACCES`, …) where it cannot listen; for WebSocket one with the code
 *   {@link wsRefusedCode}, and the system's as its cause
 */
export async function startEmbeddedBroker(options: EmbeddedBrokerOptions = {}): Promise<EmbeddedBroker> {
  const onFault = options.onFault ?? (() => {});
  const gatherings: Gatherings = new WeakMap();
  const news = new News();
  const aedes = await Aedes.createBroker(aedesOptions(options, gatherings));
  // Its types do not know it.
  const bounded = applyBounds(Reflect.get(aedes, "persistence"), options.bounds ?? defaultBounds);
  aedes.authenticate = (client, _username, _password, callback) => {
    bounded.arrive(client);
    callback(null, true);
  };
  const clients = watchClients(aedes, options);
  // An "error" event without a listener would end the process; Aedes emits it, and its types do not know it.
  EventEmitter.prototype.on.call(aedes, "error", onFault);
  aedes.on("clientError", (_client: Client, fault: Error) => onFault(fault));
  aedes.on("connectionError", (_client: Client, fault: Error) => onFault(fault));

  const limitBytes = options.packetLimitBytes ?? defaultPacketLimitBytes;
  const writeBufferBytes = subscriberLimitBytes + 2 * limitBytes;
  const sockets = new Set<Socket>();
  const keep = (socket: Socket) => {
    sockets.add(socket);
    socket.once("close", () => sockets.delete(socket));
  };
  const serve = (connection: Duplex, { remoteAddress, remotePort }: Socket) => {
    guardPackets(connection, { limitBytes }, (fault) =>
      onFault(new Error(`connection from ${remoteAddress}:${remotePort} closed: ${fault}`)),
    );
    const outbound = new Outbound(connection);
    connection.once("close", () => news.forget(outbound));
    gatherings.set(connection, new Gathering(outbound, news));
    aedes.handle(connection);
  };
  const server = createServer(
    {
      // Nagle's algorithm would hold a small packet back until the one before it is acknowledged.
      noDelay: true,
      // Cause: while a subscriber's socket is full, Aedes reads nothing more from whoever sent to it, for up to
      // `drainTimeout`, and then cuts the subscriber off. With Node's 64 KiB that is a process which is stopped for 5 s
      // (a suspended terminal, a long computation) while it is sent a few MB: it would be announced as lost, and the
      // senders would stand still meanwhile. So no socket is ever full: it is cut off before (see `authorizeForward`).
      // Whether a silent client lives is for its keepalive to decide.
      highWaterMark: writeBufferBytes,
    },
    (socket) => {
      keep(socket);
      serve(socket, socket);
    },
  );
  const servers: Server[] = [server];
  const close = async () => {
    clients.stop();
    bounded.stop();
    news.stop();
    const closed = servers.map((server) => new Promise<void>((resolve) => server.close(() => resolve())));
    await closeAedes(aedes);
    // Aedes closes only the clients it has in its table: neither those before their CONNECT nor the ones that
    // a takeover by two connections at once made it forget.
    for (const socket of sockets) socket.destroy();
    await Promise.all(closed);
  };
  const host = options.host ?? "127.0.0.1";
  try {
    await listen(server, host, options.port ?? 0);
    if (options.wsPort !== undefined) {
      // Only now: what it needs would cost every broker memory.
      const { createWebSocketServer } = await import("./web-socket.ts");
      const limits = { packetLimitBytes: limitBytes, writeBufferBytes };
      const wsServer = createWebSocketServer(limits, { onSocket: keep, onStream: serve, onFault });
      await listen(wsServer, host, options.wsPort).catch(refuseWs);
      servers.push(wsServer);
    }
  } catch (error) {
    await close();
    throw error;
  }
  for (const server of servers) server.on("error", onFault);
  const address = addressOf(server);
  const wsServer = servers[1];

  let closing: Promise<void> | undefined;
  return {
    host: address.address,
    port: address.port,
    url: `mqtt://${address.family === "IPv6" ? `[${address.address}]` : address.address}:${address.port}`,
    wsPort: wsServer && addressOf(wsServer).port,
    clientCount: clients.count,
    usage: bounded.usage,
    close: () => {
      closing ??= close();
      return closing;
    },
  };
}

/** What is written to each connection. */
type Gatherings = WeakMap<object, Gathering>;

function aedesOptions(options: EmbeddedBrokerOptions, gatherings: Gatherings): AedesOptions {
  const isNews = createNewsCheck();
  return {
    // Cause: Aedes 1.2 hands out at most this many messages at once (100 by default), and one that waits for a frozen
    // subscriber occupies a place; when all are occupied every client stands still.
    concurrency: 10_000,
    drainTimeout: options.drainTimeoutMs ?? 5_000,
    connectTimeout: 10_000,
    // Cause: every 4 heartbeats Aedes publishes the wills of brokers that it has not heard of for 3, itself included.
    // A computer that slept for minutes wakes up to find itself overdue, and all of its living clients would be
    // announced as lost. One broker with its state in memory has no other's wills to look after: so (almost) never;
    // 4 times this has to fit into a timer's 31 bits.
    heartbeatInterval: 500_000_000,
    authorizePublish: (client, packet, callback) => {
      if (client !== null) gatherings.get(client.conn)?.acknowledge();
      if (!mayPublish(packet.topic)) {
        // Cause: an error here makes Aedes close the connection, and mqtt.js then connects and publishes the same
        // again, for ever. So it is acknowledged, emptied, and goes where nobody can read it.
        packet.topic = deadEndTopic;
        packet.payload = Buffer.alloc(0);
      }
      callback(null);
    },
    authorizeSubscribe: (client, subscription, callback) => {
      gatherings.get(client.conn)?.acknowledge();
      if (maySubscribe(subscription.topic)) {
        // Cause: Aedes stores all filters of a SUBSCRIBE in a persistent session as soon as the first of them is
        // granted. Later, the refused ones among them have been replaced.
        queueMicrotask(() => callback(null, subscription));
        return;
      }
      subscription.topic = refusedFilter;
      subscription.qos = 0;
      // Null refuses this one filter; an error would close the connection.
      callback(null, null);
    },
    authorizeForward: (client, packet) => {
      // Cause: Aedes goes on with the records of a subscription for a client that has left, and each would be a fault.
      if (packet.retain && client.closed) return null;
      const gathering = gatherings.get(client.conn);
      if (isNews(packet)) gathering?.tell();
      else gathering?.forward();
      // Cause: Aedes reads on from publishers while a subscriber's socket is full, so until the drain timeout a flood
      // would fill the memory. The message is handed on all the same: for a null Aedes removes one from the queue of
      // a persistent session, and a wrong one; so it stays queued, and the client gets it when it is back.
      if (client.conn.writableLength + (gathering?.waitingBytes ?? 0) > subscriberLimitBytes) {
        client.conn.destroy(new Error(`${client.id} takes nothing, and ${subscriberLimitBytes} bytes wait for it`));
      }
      return packet;
    },
  };
}

/** Counts clients and calls `onIdle` when there was none for the time given. */
function watchClients(aedes: Aedes, options: EmbeddedBrokerOptions): { count: () => number; stop: () => void } {
  // Cause: Aedes' own `connectedClients` stays too high for ever when two connections take over one client id at the
  // same moment (the cleanup of the older removes the entry of the newer), and then the broker would never be idle.
  const connections = new Set<object>();
  let timer: NodeJS.Timeout | undefined;
  const { idleMs, onIdle } = options;
  const rearm = () => {
    clearTimeout(timer);
    timer = undefined;
    if (idleMs !== undefined && onIdle !== undefined && connections.size === 0) timer = setTimeout(onIdle, idleMs);
  };
  aedes.on("clientReady", (client) => {
    const connection = client.conn;
    if (connection.destroyed || client.id.startsWith(probeIdPrefix)) return;
    connections.add(connection);
    rearm();
    connection.once("close", () => {
      connections.delete(connection);
      rearm();
    });
  });
  rearm();
  return {
    count: () => connections.size,
    stop: () => {
      clearTimeout(timer);
      aedes.removeAllListeners("clientReady");
    },
  };
}

function listen(server: Server, host: string, port: number): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once("error", reject);
    server.listen({ host, port }, () => {
      server.removeListener("error", reject);
      resolve();
    });
  });
}

function refuseWs(cause: unknown): never {
  throw Object.assign(new Error(messageOf(cause), { cause }), { code: wsRefusedCode });
}

function addressOf(server: Server): AddressInfo {
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error("the broker listens on no TCP port");
  return address;
}

function closeAedes(aedes: Aedes): Promise<void> {
  return new Promise((resolve) => aedes.close(resolve));
}
