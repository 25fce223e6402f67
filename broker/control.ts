import { connect } from "node:net";
import { z } from "zod";
import { type ControlAddress, parseJsonLine, readLine } from "./control-server.ts";

const answerTimeoutMs = 2_000;

/** What a managed broker says about itself. */
const controlStatusSchema = z.object({
  clients: z.int().nonnegative(),
  memoryBytes: z.number(),
  uptimeMs: z.number(),
  /** True in the answer to a `stop` that is being obeyed. */
  stopping: z.boolean(),
});

/** See {@link controlStatusSchema}. */
export type ControlStatus = z.infer<typeof controlStatusSchema>;

/**
 * Asks a managed broker.
 *
 * @param control where and with which secret, from its record
 * @param question what to ask, and how long to wait for the answer in ms (2 s by default)
 * @returns undefined where nothing answers, or something that is not the recorded broker
 */
export function askControl(
  control: ControlAddress,
  question: { command: "status" | "stop"; onlyIfIdle?: boolean; timeoutMs?: number },
): Promise<ControlStatus | undefined> {
  return new Promise((resolve) => {
    const socket = connect({ host: "127.0.0.1", port: control.port, noDelay: true });
    const finish = (status: ControlStatus | undefined) => {
      clearTimeout(timer);
      resolve(status);
      socket.destroy();
    };
    const timer = setTimeout(() => finish(undefined), question.timeoutMs ?? answerTimeoutMs);
    // Whether it refused, was cut off or is somebody else: it is no answer of the broker that is meant.
    socket.on("error", () => finish(undefined));
    socket.on("close", () => finish(undefined));
    socket.once("connect", () => {
      const { command, onlyIfIdle } = question;
      socket.write(`${JSON.stringify({ token: control.token, command, onlyIfIdle })}\n`);
    });
    readLine(socket, (line) => finish(controlStatusSchema.safeParse(parseJsonLine(line)).data));
  });
}
