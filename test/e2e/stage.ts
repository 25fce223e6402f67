import { afterAll, afterEach, beforeAll, expect } from "vitest";
import { brokerStatus, stopBroker } from "../../broker/managed.ts";
import { stopEverything } from "../support/cleanup.ts";
import { eventually } from "../support/eventually.ts";
import { isAlive } from "../support/live-processes.ts";
import { freePort } from "../support/network.ts";
import { type PiOptions, stateFolderOf } from "../support/pi-home.ts";
import { type PiProcess, startPi } from "../support/pi-process.ts";
import { type ModelRequest, type ScriptedModel, startScriptedModel } from "../support/scripted-model.ts";
import { type TemporaryHome, temporaryHome } from "../support/temporary-home.ts";

/** What the tests of one file have in common: a home, a scripted model, and an address for the managed broker. */
export interface Stage {
  home(): TemporaryHome;
  model(): ScriptedModel;
  /** Where the managed broker is, once a Pi has started it. */
  url(): string;
  /** What `stopBroker` and its like need to find the stage's broker. */
  broker(): { home: string; url: string };
  /** Starts a Pi. Its model's id is its name; it ends in good order after the test, or after the file (`forAll`). */
  start(name: string, options?: Partial<PiOptions> & { forAll?: boolean }): Promise<PiProcess>;
  /** Starts `dev` and `prod`, lets dev create the network and prod join it. */
  pair(
    network: string,
    options?: Partial<PiOptions> & { forAll?: boolean },
  ): Promise<{ dev: PiProcess; prod: PiProcess }>;
  /** The requests that a Pi's model got. */
  requests(name: string): ModelRequest[];
  /** Types a prompt, waits until the run is over, and gives the last request that the model got. */
  ask(pi: PiProcess, prompt: string): Promise<ModelRequest>;
}

/**
 * Prepares what a file of tests needs. At its end every Pi quits in good order and has to do so within a second, the
 * broker is stopped, and nothing may be left running.
 *
 * @param env what every Pi gets besides `PILINK_URL`
 */
export function useStage(env: Record<string, string> = {}): Stage {
  let home: TemporaryHome | undefined;
  let model: ScriptedModel | undefined;
  let url = "";
  const ofTest: PiProcess[] = [];
  const ofFile: PiProcess[] = [];

  beforeAll(async () => {
    [home, model, url] = await Promise.all([
      temporaryHome(),
      startScriptedModel(),
      freePort().then((port) => `mqtt://127.0.0.1:${port}`),
    ]);
  });
  afterEach(() => quitAll(ofTest.splice(0)));
  afterAll(async () => {
    try {
      await quitAll(ofFile.splice(0));
      await stopBroker({ home: stateFolderOf(given(home).path), url });
      await eventually(async () => expect(await given(home).processes()).toEqual([]));
    } finally {
      await stopEverything();
    }
  });

  const stage: Stage = {
    home: () => given(home),
    model: () => given(model),
    url: () => url,
    broker: () => ({ home: stateFolderOf(given(home).path), url }),
    async start(name, { forAll = false, ...options } = {}) {
      const pi = await startPi({
        home: given(home).path,
        name,
        model: given(model),
        modelId: name,
        ...options,
        env: { PILINK_URL: url, ...env, ...options.env },
      });
      (forAll ? ofFile : ofTest).push(pi);
      return pi;
    },
    async pair(network, options = {}) {
      const [dev, prod] = await Promise.all([stage.start("dev", options), stage.start("prod", options)]);
      await create(dev, network);
      await join(prod, network);
      return { dev, prod };
    },
    requests: (name) => given(model).requestsOf(name),
    async ask(pi, prompt) {
      const before = stage.requests(pi.name).length;
      await pi.promptAndSettle(prompt);
      const all = stage.requests(pi.name);
      expect(all.length, `model requests of ${pi.name} for ${JSON.stringify(prompt)}`).toBeGreaterThan(before);
      return all.at(-1) ?? expect.fail("no request");
    },
  };
  return stage;
}

async function quitAll(pis: PiProcess[]): Promise<void> {
  await Promise.all(
    pis.map(async (pi) => {
      // Pi reports here whatever an extension throws: a person would see it as a crash.
      expect(pi.records.filter(({ type }) => type === "extension_error")).toEqual([]);
      expect(pi.stderr()).toBe("");
      // A test may have ended it already, in whatever way it is about.
      if (!(await isAlive(pi.pid))) return;
      pi.signal("SIGCONT");
      const { code, signal, tookMs } = await pi.stop();
      expect({ code, signal }, `the end of ${pi.name}`).toEqual({ code: 0, signal: null });
      expect(tookMs, `ms that ${pi.name} took to quit`).toBeLessThan(1_500);
    }),
  );
}

function given<Value>(value: Value | undefined): Value {
  if (value === undefined) throw new Error("The stage stands only inside of tests and hooks.");
  return value;
}

/** Types a slash command and gives the notice that answers it. */
export async function type(pi: PiProcess, line: string, expected: string | RegExp) {
  const since = pi.mark();
  await pi.prompt(line);
  return pi.nextNotification(expected, { since });
}

/** Lets a Pi create a network under its own name. */
export function create(pi: PiProcess, network: string, options = "") {
  return type(pi, `/pilink create ${network} --name ${pi.name} ${options}`, `Created the network "${network}"`);
}

/** Lets a Pi join a network under its own name. */
export function join(pi: PiProcess, network: string, options = "") {
  return type(pi, `/pilink join ${network} --name ${pi.name} ${options}`, `Joined the network "${network}"`);
}

/** Lets a Pi send a message to another one, and waits for the receipt. */
export function send(pi: PiProcess, to: string, text: string) {
  return type(pi, `/pilink send ${to} ${text}`, /: (received|injected|seen) \(id/);
}

/** Sees to it that messages pass between two Pis, in both directions. */
export async function exchange(one: PiProcess, other: PiProcess): Promise<void> {
  for (const [from, to] of [
    [one, other],
    [other, one],
  ] as const) {
    const text = `from ${from.name} at its record ${from.mark()}`;
    await send(from, to.name, text);
    await injected(to, text);
  }
}

/** Waits until a message stands in a Pi's session. */
export function injected(pi: PiProcess, text: string, since = 0) {
  return pi.waitForEvent((record) => record.type === "message_start" && isFrameWith(record.message, text), { since });
}

function isFrameWith(message: unknown, text: string): boolean {
  return (
    JSON.stringify(message).includes(JSON.stringify(text).slice(1, -1)) && fieldOf(message, "customType") === "pilink"
  );
}

function fieldOf(value: unknown, name: string): unknown {
  return typeof value === "object" && value !== null ? Reflect.get(value, name) : undefined;
}

/** The framed messages of other agents in a model request, in order. */
export function framesIn(request: ModelRequest): string[] {
  return request.messages.flatMap(({ text }) =>
    [...text.matchAll(/\[PI\/\/LINK\][\s\S]*?----- end \w+ -----/g)].map(([all]) => all),
  );
}

/** The bodies of the framed messages in a model request, in order. */
export function bodiesIn(request: ModelRequest): string[] {
  return framesIn(request).map(
    (frame) => /----- begin (\w+) -----\n([\s\S]*)\n----- end \1 -----$/.exec(frame)?.[2] ?? frame,
  );
}

/** Waits until the stage's managed broker runs, and gives its process. */
export async function brokerPid(stage: Stage): Promise<number> {
  const status = await brokerStatus(stage.broker());
  return status.running ? status.pid : expect.fail("the managed broker does not run");
}
