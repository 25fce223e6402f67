// A relay that passes what one socket says on to all the others: the least that a message through a third process costs.
import { once } from "node:events";
import { createServer, type Socket } from "node:net";
import { frameBytes, readFrames } from "../ends/frames.ts";
import { serve } from "../serving.ts";
import { portOf } from "./port.ts";

const sockets = new Set<Socket>();
const server = createServer({ noDelay: true }, (socket) => {
  sockets.add(socket);
  socket.on("error", () => socket.destroy());
  socket.on("close", () => sockets.delete(socket));
  readFrames(socket, (frame) => {
    const bytes = frameBytes(frame);
    for (const other of sockets) if (other !== socket) other.write(bytes);
  });
});

serve({
  async listen() {
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    return portOf(server);
  },
});
