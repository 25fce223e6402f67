import { once } from "node:events";
import { connect } from "node:net";
import type { End, Hear } from "./end.ts";
import { frameText, readFrames } from "./frames.ts";
import type { TcpPlace } from "./place.ts";

/** Opens a bare socket to the relay, which passes each text on to everybody else. A text counts as sent at once. */
export async function openTcpEnd({ port }: TcpPlace, hear: Hear): Promise<End> {
  const socket = connect({ host: "127.0.0.1", port, noDelay: true });
  await once(socket, "connect");
  readFrames(socket, (frame) => hear(frame.toString("utf8")));
  return {
    async send(_to, body) {
      socket.write(frameText(body));
    },
  };
}
