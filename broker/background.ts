/** What the background process is started with: the JSON in its only argument. It holds no secret, `ps` shows it. */
export interface BackgroundArguments {
  home: string;
  host: string;
  /** 0 takes a free one. */
  port: number;
  /** Where MQTT over WebSocket is listened for, on the same host; 0 takes a free one, without it there is none. */
  wsPort?: number | undefined;
  local: boolean;
  version: string;
  idleMs: number;
  packetLimitBytes: number;
}

/** The code of the error where the broker cannot listen for MQTT over WebSocket; the system's is its cause. */
export const wsRefusedCode = "ws-refused";

/** How long the managed broker waits for a client before it ends by itself, in ms. */
export const defaultIdleMs = 10 * 60_000;

/**
 * Reads the argument of the background process. By hand and not by a schema: zod costs that process 15 MB of memory.
 *
 * @param text the JSON
 * @throws an error naming what is missing
 */
export function parseBackgroundArguments(text: string | undefined): BackgroundArguments {
  const value: unknown = JSON.parse(text ?? "null");
  const field = (name: string): unknown =>
    typeof value === "object" && value !== null ? Object.getOwnPropertyDescriptor(value, name)?.value : undefined;
  const wrong = (name: string, expected: string) =>
    new Error(`the background process was not told a ${expected} ${name}`);
  const textOf = (name: string): string => {
    const found = field(name);
    if (typeof found !== "string" || found === "") throw wrong(name, "text as");
    return found;
  };
  const numberOf = (name: string): number => {
    const found = field(name);
    if (typeof found !== "number" || !(found >= 0)) throw wrong(name, "number as");
    return found;
  };
  return {
    home: textOf("home"),
    host: textOf("host"),
    port: numberOf("port"),
    wsPort: field("wsPort") === undefined ? undefined : numberOf("wsPort"),
    local: field("local") === true,
    version: textOf("version"),
    idleMs: numberOf("idleMs"),
    packetLimitBytes: numberOf("packetLimitBytes"),
  };
}
