import { Command, Option } from "commander";
import { type Context, makeContext } from "./context.ts";
import { type ExitCode, exitCodeMeanings } from "./exit-codes.ts";
import { type Given, givenSchema, messageTypes, watchedKinds } from "./given.ts";
import { awaitedStates } from "./sending.ts";

/** Takes the exit code of the command that ran. */
export type OnDone = (code: ExitCode) => void;

/** What a command does with its words and options. */
type Run = (words: string[], given: Given, context: Context) => Promise<ExitCode>;

const options = {
  as: ["--as <name>", "the background peer of that name"],
  network: ["--network <network>", "in that network"],
  url: ["--url <url>", "the broker; the managed one unless set"],
  name: ["--name <name>", "the name to carry; the folder's unless set"],
  role: ["--role <text>", "what it is for, shown to others"],
  create: ["--create", "create the network where there is none, and become its host"],
  port: ["--port <port>", "its port; 1883 unless set"],
  host: ["--host <address>", "its address on this machine; 127.0.0.1 unless set"],
} as const;

/**
 * The command line. A command's own code is loaded when it runs.
 *
 * @param version of this package
 * @param onDone told how a command ended
 */
export function makeProgram(version: string, onDone: OnDone): Command {
  const program = new Command("pilink")
    .description("Talk to the coding agents in other terminals: every program is a peer, over MQTT.")
    .version(version)
    .showSuggestionAfterError()
    .addHelpText("after", `\n${exitCodeHelp()}`);
  const adder = (parent: Command) => new Adder(parent, onDone);
  addBroker(adder(program), adder);
  addLooking(adder(program));
  addPeer(adder(program));
  addMessages(adder(program));
  addLater(adder(program));
  return program;
}

/** Adds commands below another one. */
class Adder {
  readonly #parent: Command;
  readonly #onDone: OnDone;

  constructor(parent: Command, onDone: OnDone) {
    this.#parent = parent;
    this.#onDone = onDone;
  }

  add(name: string, description: string, keys: readonly (keyof typeof options)[], run: Run): Command {
    const command = this.#parent.command(name).description(description).allowExcessArguments(false);
    for (const key of keys) {
      const [flags, meaning] = options[key];
      command.option(flags, meaning);
    }
    command.option("--json", "one JSON object a line");
    // A command below another one shares names of options with it, and both take what is given.
    command.action(async () => {
      const given = givenSchema.parse(command.optsWithGlobals());
      this.#onDone(await run(command.args, given, makeContext(given.json === true)));
    });
    return command;
  }
}

function addBroker(program: Adder, below: (parent: Command) => Adder): void {
  const place = ["port", "host", "url"] as const;
  const broker = program.add(
    "broker",
    "starts the managed broker where it does not run",
    place,
    async (_words, given, context) => {
      const { runBrokerForeground, runBrokerStart } = await import("./commands/broker.ts");
      return given.foreground === true ? runBrokerForeground(given, context) : runBrokerStart(given, context);
    },
  );
  broker.option("--ws [port]", "listen for MQTT over WebSocket as well; without a number on any free port");
  broker.option("--foreground", "run it in this terminal until Ctrl+C, however long nobody uses it");
  const commands = below(broker);
  commands
    .add("stop", "stops it; the networks on it end", place, async (_words, given, context) =>
      (await import("./commands/broker.ts")).runBrokerStop(given, context),
    )
    .option("--yes", "also where somebody is connected");
  commands.add("status", "tells of each that runs, or of the one named", place, async (_words, given, context) =>
    (await import("./commands/broker.ts")).runBrokerStatus(given, context),
  );
}

function addLooking(program: Adder): void {
  program.add("networks", "shows the networks on the broker", ["url"], async (_words, given, context) =>
    (await import("./commands/networks.ts")).runNetworks(given, context),
  );
  program
    .add("agents", "shows who is in a network", ["as", "url"], async ([network], given, context) =>
      (await import("./commands/agents.ts")).runAgents(network, given, context),
    )
    .argument("[network]", "the network; that of the background peer unless set");
}

function addPeer(program: Adder): void {
  program
    .add(
      "join",
      "joins a network, for the commands that follow",
      ["name", "role", "url", "create"],
      async ([network], given, context) => (await import("./commands/join.ts")).runJoin(network, given, context),
    )
    .argument("[network]", "the network, or an alias from config.json")
    .option("--background", "stay in it as a process of its own, until pilink leave")
    .option(
      "--on-message <command>",
      "run this shell command for each message, which it finds in PILINK_… and on its input",
    )
    .option("--webhook <url>", "post each event there as JSON, signed where PILINK_WEBHOOK_SECRET is set")
    .option("--notify-dir <folder>", "write each event as a file there");
  program
    .add("leave", "ends a background peer", ["as", "network"], async (_words, given, context) =>
      (await import("./commands/leave.ts")).runLeave(given, context),
    )
    .option("--all", "all that run on this machine")
    .option("--yes", "also where that ends the network for others");
}

function addMessages(program: Adder): void {
  program
    .add(
      "send",
      "sends a message, and says what became of it",
      ["as", "network", "url"],
      async ([to = "", ...words], given, context) =>
        (await import("./commands/send.ts")).runSend(to, words, given, context),
    )
    .argument("<to>", "an agent, several with commas between them, or all")
    .argument("[text...]", "what to say; standard input where it is left out or -")
    .option("--re <id>", "the id of the message that it answers")
    .addOption(new Option("--type <type>", "what it is").choices(messageTypes).default("message"))
    .option("--ttl <duration>", "how long it may wait for its receiver, such as 10m; no limit unless set")
    .addOption(new Option("--wait <state>", "what to wait for").choices(awaitedStates).default("received"))
    .option("--timeout <duration>", "how long to wait; 5s for received, 30s for seen, 2m for reply unless set")
    .option("--json-body", "the text is JSON, and is sent as such");
  program
    .add("recv", "takes the unread messages of a background peer", ["as", "network"], async (_words, given, context) =>
      (await import("./commands/recv.ts")).runRecv(given, context),
    )
    .option("--wait <duration>", "wait so long for one, such as 30s")
    .option("--limit <number>", "at most so many; 50 unless set")
    .option("--all", "also those that were taken before")
    .option("--peek", "only show them: they stay unread");
  program
    .add(
      "listen",
      "joins a network, and passes events and messages as JSON lines",
      ["name", "role", "url", "create"],
      async ([network], given, context) => (await import("./commands/listen.ts")).runListen(network, given, context),
    )
    .argument("[network]", "the network, or an alias from config.json")
    .option("--no-input", "send nothing: do not read standard input, and stay until Ctrl+C");
}

function addLater(program: Adder): void {
  program
    .add(
      "watch",
      "shows the traffic of a network, or of all, as it happens",
      ["url"],
      async ([network], given, context) => (await import("./commands/watch.ts")).runWatch(network, given, context),
    )
    .argument("[network]", "only this one")
    .option("--peer <name>", "only what this agent sends or gets")
    .option("--grep <text>", "only messages with this text in them")
    .addOption(new Option("--only <kind...>", "only these").choices(watchedKinds));
  program
    .add(
      "log",
      "shows what was sent and received on this machine, and what became of it",
      ["as", "network"],
      async (_words, given, context) => (await import("./commands/log.ts")).runLog(given, context),
    )
    .option("--since <duration>", "only of so long ago, such as 1h")
    .option("--peer <name>", "only messages to or from this agent")
    .option("--grep <text>", "only messages with this text in them")
    .option("--limit <number>", "only the last so many");
  program.add(
    "doctor",
    "examines everything, and says what to do",
    ["network", "name", "url"],
    async (_words, given, context) => (await import("./commands/doctor.ts")).runDoctor(given, context),
  );
  program.add("guide", "tells an agent how to talk to others", [], async (_words, _given, context) =>
    (await import("./commands/guide.ts")).runGuide(context),
  );
  program.add(
    "mcp",
    "serves MCP on standard input and output",
    ["network", "name", "role", "url"],
    async (_words, given) => (await import("./commands/mcp.ts")).runMcpCommand(given),
  );
}

function exitCodeHelp(): string {
  const lines = Object.entries(exitCodeMeanings).map(([code, meaning]) => `  ${code.padEnd(4)} ${meaning}`);
  return `Exit codes:\n${lines.join("\n")}`;
}
