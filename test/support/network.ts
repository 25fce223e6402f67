import { once } from "node:events";
import { type AddressInfo, connect, createServer, type Server, type Socket } from "node:net";
import { onCleanup } from "./cleanup.ts";

/** A port of 127.0.0.1 on which nothing listens at this moment. */
export async function freePort(): Promise<number> {
  const server = createServer();
  const port = await listen(server);
  server.close();
  await once(server, "close");
  return port;
}

/**
 * Lets a server listen on 127.0.0.1.
 *
 * @param server what shall listen
 * @param port 0 for any free one
 * @returns the port it got
 * @throws Error `EADDRINUSE` where the port is taken
 */
export async function listen(server: Server, port = 0): Promise<number> {
  server.listen(port, "127.0.0.1");
  await once(server, "listening");
  return portOf(server.address());
}

function portOf(address: AddressInfo | string | null): number {
  if (address === null || typeof address === "string") throw new Error(`No TCP address: ${address}`);
  return address.port;
}

/**
 * Lets two sockets of a proxy end together, in the way in which either of them ends.
 *
 * @param sockets holds both for as long as they are open
 */
export function tieEnds(near: Socket, far: Socket, sockets: Set<Socket>): void {
  for (const [one, other] of [
    [near, far],
    [far, near],
  ] as const) {
    sockets.add(one);
    one.on("end", () => other.end());
    one.on("error", () => other.destroy());
    one.on("close", () => {
      sockets.delete(one);
      other.destroy();
    });
  }
}

/** A TCP proxy on loopback whose connections can be made to fail. */
export interface TcpProxy {
  port: number;
  /** How many connections stand at this moment. */
  connections(): number;
  /** Ends all connections; new ones work. */
  drop(): void;
  /** Ends all connections and refuses new ones, until {@link heal}. */
  cut(): void;
  /** Holds all bytes back, in both directions, until {@link resume}; none is lost. */
  pause(): void;
  resume(): void;
  /** Holds all bytes back for a while, and lets no more than so many through in a second, until {@link heal}. */
  slow(delayMs: number, bytesPerSecond: number): void;
  /** Swallows all bytes in both directions, until {@link heal} ends the connections it harmed. */
  blackhole(): void;
  /** Ends {@link cut}, {@link pause}, {@link slow} and {@link blackhole}. */
  heal(): void;
  close(): Promise<void>;
}

/**
 * Starts a TCP proxy in front of a port of 127.0.0.1.
 *
 * @param targetPort where connections go to
 * @param port where the proxy listens, 0 for any free one
 */
export async function startTcpProxy(targetPort: number, port = 0): Promise<TcpProxy> {
  const pairs = new Set<readonly [Socket, Socket]>();
  const harmed = new Set<readonly [Socket, Socket]>();
  let condition: "open" | "cut" | "paused" | "blackhole" = "open";
  let slowness = { delayMs: 0, bytesPerSecond: Number.POSITIVE_INFINITY };

  const destroy = (pair: readonly [Socket, Socket]) => {
    pairs.delete(pair);
    harmed.delete(pair);
    for (const socket of pair) socket.destroy();
  };

  const server = createServer({ noDelay: true }, (near) => {
    if (condition === "cut") {
      near.destroy();
      return;
    }
    const far = connect({ port: targetPort, host: "127.0.0.1", noDelay: true });
    const pair = [near, far] as const;
    pairs.add(pair);
    if (condition === "blackhole") harmed.add(pair);
    for (const [from, to] of [pair, [far, near]] as const) {
      const line = delayLine(() => slowness);
      if (condition === "paused") from.pause();
      from.on("data", (chunk) => {
        line(chunk.length, () => {
          if (condition === "blackhole") harmed.add(pair);
          else if (!to.destroyed && !to.write(chunk)) from.pause();
        });
      });
      to.on("drain", () => {
        if (condition !== "paused") from.resume();
      });
      // A half-closed connection would look alive to the side that still writes.
      from.on("end", () => line(0, () => to.end()));
      from.on("error", () => destroy(pair));
      // What is still held back was sent before the end: a slow line loses nothing.
      from.on("close", () => line(0, () => destroy(pair)));
    }
  });
  const ownPort = await listen(server, port);

  const eachSocket = (act: (socket: Socket) => void) => {
    for (const pair of pairs) for (const socket of pair) act(socket);
  };
  const drop = () => {
    for (const pair of [...pairs]) destroy(pair);
  };
  const close = async () => {
    forget();
    drop();
    if (!server.listening) return;
    server.close();
    await once(server, "close");
  };
  const forget = onCleanup(close);

  return {
    port: ownPort,
    connections: () => pairs.size,
    drop,
    cut() {
      condition = "cut";
      drop();
    },
    pause() {
      condition = "paused";
      eachSocket((socket) => socket.pause());
    },
    resume() {
      condition = "open";
      eachSocket((socket) => socket.resume());
    },
    blackhole() {
      condition = "blackhole";
    },
    slow(delayMs, bytesPerSecond) {
      slowness = { delayMs, bytesPerSecond };
    },
    heal() {
      condition = "open";
      slowness = { delayMs: 0, bytesPerSecond: Number.POSITIVE_INFINITY };
      for (const pair of [...harmed]) destroy(pair);
      eachSocket((socket) => socket.resume());
    },
    close,
  };
}

/** How slow a line is: how long each byte is under way, and how many of them pass in a second. */
interface Slowness {
  delayMs: number;
  bytesPerSecond: number;
}

/** Lets things happen in the order in which they were given, each as late as a line of such a slowness would let it. */
function delayLine(slowness: () => Slowness): (sizeBytes: number, act: () => void) => void {
  const waiting: { dueMs: number; act: () => void }[] = [];
  let freeAtMs = 0;
  const run = () => {
    for (;;) {
      const next = waiting[0];
      if (next === undefined) return;
      const waitMs = next.dueMs - performance.now();
      if (waitMs > 0) {
        setTimeout(run, waitMs);
        return;
      }
      waiting.shift();
      next.act();
    }
  };
  return (sizeBytes, act) => {
    const nowMs = performance.now();
    const { delayMs, bytesPerSecond } = slowness();
    freeAtMs = Math.max(freeAtMs, nowMs) + (sizeBytes * 1000) / bytesPerSecond;
    const dueMs = freeAtMs + delayMs;
    if (waiting.length === 0 && dueMs <= nowMs) return act();
    waiting.push({ dueMs, act });
    if (waiting.length === 1) run();
  };
}
