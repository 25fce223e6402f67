import { randomBytes } from "node:crypto";
import { connect } from "node:net";

/** Client ids of probes begin with this; the managed broker does not count them as clients. */
export const probeIdPrefix = "pl-probe-";

/** What was found at an address. */
export type ProbeResult =
  /** An MQTT broker; 0 as return code is "accepted", 4 and 5 want credentials, 1 refuses MQTT 3.1.1 (MQTT 3.1.1, 3.2.2.3). */
  | { kind: "mqtt"; returnCode: number }
  /** The connection was accepted and then closed without an answer. */
  | { kind: "closed" }
  /** The connection was accepted and no answer came in time. */
  | { kind: "silent" }
  /** Something answered that is not MQTT. */
  | { kind: "not-mqtt" }
  /** Nothing listens, or it cannot be reached; with the system's code (`ECONNREFUSED`, …). */
  | { kind: "refused"; code: string };

/**
 * Asks whether an MQTT broker answers at an address, by one CONNECT of a clean session and a DISCONNECT.
 *
 * @param address where to ask
 * @param options how long to wait for the answer in all, in ms; 5 s by default, because a broker that has just bound
 *   its port, or one on a busy machine, is silent for a moment
 */
export function probeBroker(
  address: { host: string; port: number },
  options: { timeoutMs?: number } = {},
): Promise<ProbeResult> {
  const timeoutMs = options.timeoutMs ?? 5_000;
  return new Promise((resolve) => {
    const socket = connect({ host: address.host, port: address.port, noDelay: true });
    let connected = false;
    let answer = Buffer.alloc(0);
    const finish = (result: ProbeResult) => {
      clearTimeout(timer);
      socket.removeAllListeners();
      // Whatever happens to the connection from here on does not change the result.
      socket.on("error", () => {});
      socket.destroy();
      resolve(result);
    };
    const timer = setTimeout(
      () => finish(connected ? { kind: "silent" } : { kind: "refused", code: "ETIMEDOUT" }),
      timeoutMs,
    );
    socket.once("connect", () => {
      connected = true;
      socket.write(connectPacket(`${probeIdPrefix}${randomBytes(6).toString("hex")}`));
    });
    socket.on("data", (chunk) => {
      answer = Buffer.concat([answer, chunk]);
      const result = judge(answer);
      if (result === undefined) return;
      if (result.kind !== "mqtt" || result.returnCode !== 0) finish(result);
      // DISCONNECT (3.14), and wait until it is out: a connection that just breaks is an error in a broker's log.
      else socket.end(Buffer.from([0xe0, 0]), () => finish(result));
    });
    socket.once("end", () => finish({ kind: "closed" }));
    socket.once("error", (error) => finish(connected ? { kind: "closed" } : { kind: "refused", code: codeOf(error) }));
  });
}

/** MQTT 3.1.1, 3.1: a CONNECT with a clean session and nothing else. */
function connectPacket(clientId: string): Buffer {
  const id = Buffer.from(clientId, "latin1");
  const protocolName = [0, 4, ...Buffer.from("MQTT", "latin1")];
  const level = 4;
  const cleanSession = 0x02;
  const keepaliveSeconds = [0, 10];
  const body = [...protocolName, level, cleanSession, ...keepaliveSeconds, 0, id.length, ...id];
  return Buffer.from([0x10, body.length, ...body]);
}

/** MQTT 3.1.1, 3.2: a CONNACK is 0x20, 2, flags, return code. Undefined while it may still become one. */
function judge(answer: Buffer): ProbeResult | undefined {
  const [type, length, flags, returnCode] = answer;
  if (type !== 0x20 || (length !== undefined && length !== 2) || (flags !== undefined && flags > 1)) {
    return { kind: "not-mqtt" };
  }
  return returnCode === undefined ? undefined : { kind: "mqtt", returnCode };
}

function codeOf(error: Error): string {
  return "code" in error && typeof error.code === "string" ? error.code : error.message;
}
