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
  /** Swallows all bytes in both directions, until {@link heal} ends the connections it harmed. */
  blackhole(): void;
  /** Ends {@link cut}, {@link pause} and {@link blackhole}. */
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
      if (condition === "paused") from.pause();
      from.on("data", (chunk) => {
        if (condition === "blackhole") harmed.add(pair);
        else if (!to.write(chunk)) from.pause();
      });
      to.on("drain", () => {
        if (condition !== "paused") from.resume();
      });
      // A half-closed connection would look alive to the side that still writes.
      from.on("end", () => to.end());
      from.on("error", () => destroy(pair));
      from.on("close", () => destroy(pair));
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
    heal() {
      condition = "open";
      for (const pair of [...harmed]) destroy(pair);
      eachSocket((socket) => socket.resume());
    },
    close,
  };
}
