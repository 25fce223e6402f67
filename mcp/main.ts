import { StdioServerTransport, serveStdio } from "@modelcontextprotocol/server/stdio";
import { Chain } from "../peer/chain.ts";
import type { InboxEntry, Peer } from "../peer/peer.ts";
import { prepareSecrets } from "../peer/secrets.ts";
import type { Settings } from "../peer/settings.ts";
import { cleanText } from "../protocol/clean.ts";
import { messageOf } from "../protocol/errors.ts";
import { homeFolder } from "../store/folder.ts";
import { ClientLine } from "./client-line.ts";
import { Intake, isHeld } from "./intake.ts";
import { Seat, type Seated } from "./seat.ts";
import { Sends } from "./sends.ts";
import { makeServer } from "./server.ts";

/** How to serve. */
export interface McpOptions {
  /** What was given on the command line; a network among it is entered when the client is there. */
  flags?: Settings;
  /** Where all state is kept; `PILINK_HOME`, else `~/.pilink`. */
  home?: string;
  /** The folder that the agent works in; the current one unless set. */
  folder?: string;
  env?: Readonly<Record<string, string | undefined>>;
  /**
   * Called with each peer that is in a network: for what else on this machine may ask it something.
   *
   * @returns to be called when it has left
   */
  onSeated?: (seat: OpenSeat) => Promise<() => Promise<void>>;
}

/** A peer of the server, for others in its process. */
export interface OpenSeat {
  peer: Peer;
  broker: Seated["broker"];
  /** What is passed on from the messages that the model was given; others that give it some note them here. */
  chain: Chain;
  /** True for a message that the model may be given without its person. */
  isGiven(entry: InboxEntry): boolean;
  /** Leaves the network. */
  leave(): Promise<void>;
}

// What a client sends before it is certain that it stays: some ask which MCP is spoken, and start another server.
const openings = new Set(["initialize", "server/discover", "ping"]);

/**
 * Serves MCP on standard input and output, for one client, until it closes standard input or this process is told to
 * end; then the peer leaves. What a person should know goes to standard error.
 *
 * @throws PilinkError `bad-config`, `bad-argument`: nothing was served
 */
export async function runMcp(options: McpOptions = {}): Promise<void> {
  const { flags = {}, env = process.env, folder = process.cwd(), onSeated } = options;
  const { home = homeFolder(env) } = options;
  const log = (text: string) => void process.stderr.write(`pilink: ${cleanText(text)}\n`);
  const chain = new Chain();
  const seat = new Seat({
    home,
    folder,
    env,
    flags,
    log,
    ...(onSeated === undefined ? {} : { onSeated: (seated) => onSeated(open(seated)) }),
  });
  const open = (seated: Seated): OpenSeat => ({
    peer: seated.peer,
    broker: seated.broker,
    chain,
    isGiven: (entry) => !isHeld(seated, entry),
    leave: async () => void (await seat.leave()),
  });
  const intake = new Intake(chain, () => seat.events.emit("inbox"));
  seat.events.on("ended", (seated) => intake.keepLeft(seated));
  const parts = { seat, intake, sends: new Sends(chain) };
  const { promise: over, resolve: end } = Promise.withResolvers<void>();
  const line = new ClientLine(new StdioServerTransport(), {
    onMessage(message) {
      intake.noteClient();
      if ("method" in message && !openings.has(message.method)) seat.begin();
    },
    onCancelled: (id) => intake.cancel(id),
    onAnswered: (id) => intake.noteAnswered(id),
    onClosed: end,
  });
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) {
    process.once(signal, () => {
      // Claude Code ends its servers so, also right after an answer: who sends a signal is alive, and has read.
      intake.noteClient();
      end();
    });
  }
  const serving = serveStdio(({ era }) => makeServer(parts, era), {
    transport: line,
    onerror: (error) => log(messageOf(error)),
  });
  // So that the first message does not wait for it; where it cannot be loaded, that message tells.
  prepareSecrets().catch((error: unknown) => log(messageOf(error)));
  await over;
  intake.close();
  await seat.close();
  await serving.close();
}
