import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { newId } from "../../protocol/ids.ts";
import { type PiProcess, startPi } from "../../test/support/pi-process.ts";
import type { PiRecord } from "../../test/support/pi-records.ts";
import { type ScriptedModel, startScriptedModel, toolResults } from "../../test/support/scripted-model.ts";
import { temporaryHome } from "../../test/support/temporary-home.ts";
import { startManaged } from "../brokers.ts";
import { type Figure, quantile } from "../figure.ts";
import { rotate } from "../line.ts";
import { Recording } from "../recording.ts";
import type { Scene, SceneOptions } from "../scene.ts";
import { nowMs } from "../serving.ts";

const title = "into a session, two real Pis";
const subjects = { pilink: "pilink_send over the managed broker", bare: "a tool and a socket, no pilink" } as const;
const quantities = {
  whole: "model's tool call to the message in the other session",
  pi: "model's tool call to the start of the tool",
  send: "start of the tool to the message in the other session",
} as const;
const bareExtension = fileURLToPath(new URL("../extensions/bare-socket.ts", import.meta.url));
// The first messages of a session pay for code that is compiled.
const warmUps = 2;
// pilink_send takes 20 messages to one receiver in a minute (peer/restraint.ts); a new session begins to count anew.
const perSession = 18;

/** Two Pis that can send to each other. */
interface Pair {
  subject: string;
  from: PiProcess;
  to: PiProcess;
  modelId: string;
  tool: string;
  arguments: { body: string; to?: string };
  customType: string;
}

/** What one message took, in milliseconds. */
type Sample = Record<keyof typeof quantities, number>;

/** From the tool call of a model in one real Pi until the message stands in the session of another one. */
export const session: Scene = {
  name: "session",
  title: "from a model's tool call in one real Pi until the message is in the other Pi's session",
  goals: [
    {
      title: "model's tool call → message in the other session, p50",
      figure: { scene: title, subject: subjects.pilink, quantity: `${quantities.whole}, p50` },
      atMost: 5,
    },
    {
      title: "of which ours: start of the tool → message in the other session, p50",
      figure: { scene: title, subject: subjects.pilink, quantity: `${quantities.send}, p50` },
      atMost: 3,
    },
  ],
  measure,
};

async function measure({ rounds, isQuick, say }: SceneOptions): Promise<Figure[]> {
  const batches = isQuick ? 1 : 2;
  const count = isQuick ? 4 : perSession;
  const model = await startScriptedModel();
  const pairs = [await startPilinkPair(model), await startBarePair(model)];
  const recording = new Recording();
  for (let round = 0; round < rounds; round += 1) {
    const samples = new Map<Pair, Sample[]>(pairs.map((pair) => [pair, []]));
    for (let batch = 0; batch < batches; batch += 1) {
      for (const pair of pairs) {
        await pair.from.newSession();
        for (let place = 0; place < warmUps; place += 1) await sendOne(model, pair);
      }
      for (let place = 0; place < count; place += 1) {
        for (const pair of rotate(pairs, place)) samples.get(pair)?.push(await sendOne(model, pair));
      }
    }
    for (const [{ subject }, ofPair] of samples) noteRound(recording, subject, ofPair);
    say(`round ${round + 1}: ${batches * count} messages of each pair`);
  }
  return recording.figures();
}

async function startPilinkPair(model: ScriptedModel): Promise<Pair> {
  const { address } = await startManaged();
  const { path: home } = await temporaryHome();
  const env = { PILINK_URL: address };
  const [from, to] = await Promise.all([
    startPi({ home, name: "dev", model, modelId: "dev", env }),
    startPi({ home, name: "prod", model, modelId: "prod", env }),
  ]);
  for (const [pi, line] of [
    [from, "/pilink create lab --name dev"],
    [to, "/pilink join lab --name prod"],
  ] as const) {
    await pi.prompt(line);
    await pi.nextNotification('"lab"');
  }
  const letter = { to: "prod", body: "The build is green, please deploy it." };
  return {
    subject: subjects.pilink,
    from,
    to,
    modelId: "dev",
    tool: "pilink_send",
    arguments: letter,
    customType: "pilink",
  };
}

async function startBarePair(model: ScriptedModel): Promise<Pair> {
  const { path: home } = await temporaryHome();
  const path = join(home, "socket");
  const options = { home, model, extensions: [bareExtension] };
  const to = await startPi({ ...options, name: "to", modelId: "bare-to", env: { BENCH_LISTEN: path } });
  const from = await startPi({ ...options, name: "from", modelId: "bare-from", env: { BENCH_SEND: path } });
  const letter = { body: "The build is green, please deploy it." };
  return {
    subject: subjects.bare,
    from,
    to,
    modelId: "bare-from",
    tool: "bare_send",
    arguments: letter,
    customType: "bare",
  };
}

/** Lets the model of one Pi send one message, and waits until that Pi is idle again. */
async function sendOne(model: ScriptedModel, pair: Pair): Promise<Sample> {
  const { from, to, tool } = pair;
  let answeredMs = 0;
  // The same text is not sent twice within some seconds.
  const body = `${pair.arguments.body} (${newId()})`;
  model.script(pair.modelId, (request) => {
    if (toolResults(request).length > 0) return { text: "Sent." };
    answeredMs = nowMs();
    return { toolCalls: [{ name: tool, arguments: { ...pair.arguments, body } }] };
  });
  const marks = { from: from.mark(), to: to.mark() };
  const started = stampOf(
    from,
    marks.from,
    ({ type, toolName }) => type === "tool_execution_start" && toolName === tool,
  );
  const arrived = stampOf(
    to,
    marks.to,
    ({ type, message }) => type === "message_start" && hasType(message, pair.customType),
  );
  const settled = from.waitForEvent(({ type }) => type === "agent_settled", { since: marks.from });
  const [startedMs, arrivedMs] = await Promise.all([started, arrived, settled, from.prompt("Tell the other agent.")]);
  return { whole: arrivedMs - answeredMs, pi: startedMs - answeredMs, send: arrivedMs - startedMs };
}

/** When a Pi wrote a record: the moment at which it is looked at first. */
async function stampOf(pi: PiProcess, since: number, matches: (record: PiRecord) => boolean): Promise<number> {
  let atMs = 0;
  await pi.waitForEvent(
    (record) => {
      if (!matches(record)) return false;
      atMs ||= nowMs();
      return true;
    },
    { since },
  );
  return atMs;
}

function hasType(message: unknown, customType: string): boolean {
  return (
    typeof message === "object" && message !== null && "customType" in message && message.customType === customType
  );
}

function noteRound(recording: Recording, subject: string, samples: readonly Sample[]): void {
  for (const key of ["whole", "pi", "send"] as const) {
    const values = samples.map((sample) => sample[key]);
    const note = (what: string, share: number) =>
      recording.note(title, subject, `${quantities[key]}, ${what}`, "ms", quantile(values, share));
    note("p50", 0.5);
    note("least", 0);
    note("greatest", 1);
  }
}
