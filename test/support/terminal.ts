import { execFileSync } from "node:child_process";
import { randomBytes } from "node:crypto";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { onCleanup } from "./cleanup.ts";
import { eventually } from "./eventually.ts";
import { type PiOptions, preparePi } from "./pi-home.ts";

/** A real Pi with its terminal interface, inside tmux. */
export interface PiTerminal {
  /** Types a line and presses Enter. */
  enter(line: string): void;
  /** Types without Enter. */
  type(text: string): void;
  /** Presses a key by the name that tmux has for it, such as `C-o`. */
  press(key: string): void;
  /** Makes the window wider or narrower. */
  resize(columns: number): void;
  /** What stands on the screen. */
  screen(): string;
  /** The same with the escape sequences of its colours. */
  colouredScreen(): string;
  /** Waits until the screen holds a text. @throws Error with the screen when the time is up */
  untilShown(text: string | RegExp, timeoutMs?: number): Promise<void>;
  close(): void;
}

/** True where tmux is installed. */
export function tmuxInstalled(): boolean {
  try {
    execFileSync("tmux", ["-V"], { stdio: "ignore" });
    return true;
  } catch {
    return false;
  }
}

/** How the terminal is to be, and which of Pi's themes is used; 100 columns and 40 rows unless given. */
export interface TerminalOptions extends PiOptions {
  columns?: number;
  rows?: number;
  theme?: "dark" | "light";
}

/** Starts a Pi in a terminal of the given size. */
export async function startPiTerminal(options: TerminalOptions): Promise<PiTerminal> {
  const line = await preparePi(options, []);
  if (options.theme !== undefined) {
    await writeFile(
      join(line.env.PI_CODING_AGENT_DIR ?? "", "settings.json"),
      JSON.stringify({ theme: options.theme }),
    );
  }
  // A server of its own: nothing of the developer's tmux is touched.
  const socket = `pilink-${randomBytes(6).toString("hex")}`;
  const env = { ...line.env, TERM: "xterm-256color", LANG: "C.UTF-8" };
  const tmux = (...args: string[]) =>
    execFileSync("tmux", ["-L", socket, "-f", "/dev/null", ...args], { env, encoding: "utf8" });
  const close = () => {
    try {
      tmux("kill-server");
    } catch {
      // It ended with the Pi in it.
    }
    forget();
  };
  const forget = onCleanup(close);
  tmux(
    "new-session",
    "-d",
    "-x",
    String(options.columns ?? 100),
    "-y",
    String(options.rows ?? 40),
    "-c",
    line.cwd,
    process.execPath,
    ...line.args,
  );
  const screen = () => tmux("capture-pane", "-p");
  const type = (text: string) => void tmux("send-keys", "-l", text);
  const untilShown = async (text: string | RegExp, timeoutMs = 10_000) => {
    await eventually(
      () => {
        const shown = screen();
        if (typeof text === "string" ? shown.includes(text) : text.test(shown)) return true;
        throw new Error(`The screen does not show ${text}:\n${shown}`);
      },
      { timeoutMs },
    );
  };
  await untilShown("escape interrupt", 30_000);
  return {
    type,
    press: (key) => void tmux("send-keys", key),
    resize: (columns) => void tmux("resize-window", "-x", String(columns)),
    colouredScreen: () => tmux("capture-pane", "-p", "-e"),
    enter(text) {
      type(text);
      tmux("send-keys", "Enter");
    },
    screen,
    untilShown,
    close,
  };
}
