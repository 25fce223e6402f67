// Two Pis with nothing but a socket between them: what Pi itself takes for a message from tool call to session.
import { connect, createServer, type Socket } from "node:net";
import type { ExtensionAPI } from "@earendil-works/pi-coding-agent";
import { Type } from "typebox";

/** `BENCH_LISTEN` is the socket's path in the Pi that receives, `BENCH_SEND` in the one that sends. */
export default function bareSocket(pi: ExtensionAPI): void {
  const { BENCH_LISTEN: listenPath, BENCH_SEND: sendPath } = process.env;
  let socket: Socket | undefined;
  pi.on("session_start", () => {
    if (listenPath !== undefined) {
      const server = createServer((from) => {
        from.setEncoding("utf8").on("data", (content: string) => {
          pi.sendMessage({ customType: "bare", content, display: true, details: {} }, { triggerTurn: false });
        });
      });
      server.listen(listenPath).unref();
    }
    if (sendPath !== undefined) socket ??= connect(sendPath).unref();
  });
  pi.registerTool({
    name: "bare_send",
    label: "Send",
    description: "Sends a message to the other agent.",
    parameters: Type.Object({ body: Type.String() }),
    execute: async (_callId, { body }) => {
      socket?.write(body);
      return { content: [{ type: "text", text: "sent" }], details: {} };
    },
  });
}
