import { setTimeout as pause } from "node:timers/promises";
import { brokerStatus, type EnsuredBroker, listBrokers, startBroker, stopBroker } from "../../broker/managed.ts";
import { count, describeDuration } from "../../peer/texts.ts";
import { defaultMqttPort, formatAddress, parseAddress } from "../../protocol/address.ts";
import { PilinkError, quoteValue } from "../../protocol/errors.ts";
import type { Context } from "../context.ts";
import { type ExitCode, exitCodes } from "../exit-codes.ts";
import type { Given } from "../given.ts";
import { placeHere } from "../place.ts";

interface Choice {
  home: string;
  url: string | undefined;
  /** Every address of this machine, where that was asked for. */
  bindHost: string | undefined;
}

/** What the broker is to be where it has to be started. */
interface Wish extends Choice {
  /** The port for MQTT over WebSocket, where that was asked for; 0 is any free one. */
  wsPort: number | undefined;
}

const everyAddress = new Set(["0.0.0.0", "::"]);
// As long as a timer can be: a broker that a person watches does not end by itself.
const neverMs = 2 ** 31 - 1;
const watchMs = 500;

/** `pilink broker` */
export async function runBrokerStart(given: Given, context: Context): Promise<ExitCode> {
  const wish = wishOf(given);
  const broker = await startBroker({ ...wish, log: context.note });
  requireWs(broker, wish);
  await tellStarted(broker, wish, context);
  return exitCodes.done;
}

/** `pilink broker --foreground`: a broker that ends with this process, and does not end for want of clients. */
export async function runBrokerForeground(given: Given, context: Context): Promise<ExitCode> {
  const choice = wishOf(given);
  const broker = await startBroker({ ...choice, log: context.note, idleMs: neverMs });
  if (!broker.started) {
    throw new PilinkError(
      "bad-argument",
      broker.managed
        ? `The managed broker already runs at ${broker.url} (pid ${broker.pid}). Stop it first: pilink broker stop.`
        : `Another broker already listens at ${broker.url}. Take another port with --port.`,
      { value: broker.url },
    );
  }
  await tellStarted(broker, choice, context);
  while (!context.signal.aborted) {
    const status = await brokerStatus(choice);
    if (!status.running || status.pid !== broker.pid) {
      throw new PilinkError("broker-stopped", `The broker at ${broker.url} was stopped.`, { value: broker.url });
    }
    await pause(watchMs, undefined, { signal: context.signal }).catch(() => undefined);
  }
  await stopBroker(choice);
  return exitCodes.done;
}

/** `pilink broker status`: of the broker that is named, else of each that runs; the exit code is of the one used here. */
export async function runBrokerStatus(given: Given, context: Context): Promise<ExitCode> {
  const choice = choiceOf(given);
  const isNamed = given.url !== undefined || given.port !== undefined || given.host !== undefined;
  const meant = await brokerStatus(choice);
  const running = isNamed ? (meant.running ? [meant] : []) : await listBrokers(choice.home);
  if (running.length === 0) {
    await context.output.result({ running: false }, "No managed broker runs. pilink broker starts it.");
    return exitCodes.noBroker;
  }
  for (const { url, wsUrl, host, port, pid, version, local, report } of running) {
    const details =
      report === undefined
        ? "It does not answer at the moment; pilink doctor looks closer."
        : `Up for ${describeDuration(report.uptimeMs)}, ${count(report.clients, "client")}, ${Math.round(report.memoryBytes / 1e6)} MB of memory.`;
    const which = running.length > 1 && local ? " It is the one that is used where no other is named." : "";
    await context.output.result(
      { running: true, url, ws: wsUrl ?? null, host, port, pid, version, local, ...(report ?? {}) },
      `${running.length > 1 ? "A" : "The"} managed broker runs at ${url}${andWs(wsUrl)} (pid ${pid}, version ${version}). ${details}${which}`,
    );
  }
  if (!meant.running) {
    context.note(`The broker that is used here${choice.url === undefined ? "" : `, ${choice.url},`} does not run.`);
    return exitCodes.noBroker;
  }
  return meant.report === undefined ? exitCodes.noBroker : exitCodes.done;
}

/** `pilink broker stop` */
export async function runBrokerStop(given: Given, context: Context): Promise<ExitCode> {
  const choice = choiceOf(given);
  if (given.yes !== true) await requireConsent(choice);
  const outcome = await stopBroker(choice);
  await context.output.result(
    outcome,
    outcome.stopped
      ? `Stopped the managed broker at ${outcome.url} (pid ${outcome.pid}). The networks on it have ended. pilink broker starts it again.`
      : "No managed broker runs.",
  );
  return exitCodes.done;
}

/** @throws PilinkError `not-approved` where somebody is connected, or that cannot be known */
async function requireConsent(choice: Choice): Promise<void> {
  const status = await brokerStatus(choice);
  if (!status.running || status.report?.clients === 0) return;
  const { url, report } = status;
  const what =
    report === undefined
      ? `The broker at ${url} does not answer, so it is not known who is connected to it.`
      : `Stopping the broker at ${url} cuts off ${count(report.clients, "client")}, and ends the networks on it.`;
  throw new PilinkError("not-approved", `${what} Add --yes to do it.`, { value: url });
}

async function tellStarted(broker: EnsuredBroker, choice: Choice, { output, note }: Context): Promise<void> {
  const { url, wsUrl, host, port, pid, managed, started } = broker;
  if (broker.note !== undefined) note(broker.note);
  if (choice.bindHost !== undefined && managed) {
    note(
      everyAddress.has(host)
        ? `Whoever can reach port ${port}${wsUrl === undefined ? "" : ` or ${new URL(wsUrl).port}`} of this machine can read and write everything on it: it has no accounts.`
        : `It listens on ${host} only. To change that run pilink broker stop, then this command again.`,
    );
  }
  const what = started
    ? "Started the managed broker"
    : managed
      ? "The managed broker already runs"
      : "An external broker already listens";
  await output.result(
    { running: true, url, ws: wsUrl ?? null, host, port, pid: pid ?? null, managed, started },
    `${what} at ${url}${andWs(wsUrl)}${pid === undefined ? "" : ` (pid ${pid})`}.`,
  );
}

/** @throws PilinkError `bad-argument` where no managed broker can be there */
function choiceOf({ port, host, url }: Given): Choice {
  if (url !== undefined && (port !== undefined || host !== undefined)) {
    throw new PilinkError("bad-argument", "--url says it all: leave out --port and --host.");
  }
  const { home, values } = placeHere({ url });
  const bindHost = host !== undefined && everyAddress.has(host) ? host : undefined;
  const named =
    port === undefined && host === undefined
      ? values.url
      : formatAddress(bindHost === undefined ? (host ?? "127.0.0.1") : "127.0.0.1", readPort(port));
  const address = named === undefined ? undefined : parseAddress(named);
  if (address !== undefined && !address.isStartable) {
    throw new PilinkError(
      "bad-argument",
      `No managed broker can be at ${address.url}: it listens on loopback, or on every address of this machine (--host 0.0.0.0). For a LAN see "A LAN in two commands" in the README.`,
      { value: address.url },
    );
  }
  return { home, url: address?.url, bindHost };
}

function wishOf(given: Given): Wish {
  return { ...choiceOf(given), wsPort: given.ws === undefined ? undefined : readWsPort(given.ws) };
}

/** @throws PilinkError `bad-argument` where WebSocket was asked for, and what runs already does not listen for it there */
function requireWs({ url, wsUrl, pid, managed }: EnsuredBroker, { wsPort }: Wish): void {
  if (wsPort === undefined || (wsUrl !== undefined && (wsPort === 0 || wsPort === Number(new URL(wsUrl).port || 80)))) {
    return;
  }
  const without = wsUrl === undefined ? "without WebSocket" : `with WebSocket at ${wsUrl}`;
  throw new PilinkError(
    "bad-argument",
    managed
      ? `The managed broker already runs at ${url} (pid ${pid}) ${without}. Stop it first: pilink broker stop. Then run this command again.`
      : `An external broker already listens at ${url}; whether it has WebSocket is its own matter. Take another port with --port.`,
    { value: url },
  );
}

function andWs(wsUrl: string | undefined): string {
  return wsUrl === undefined ? "" : ` and ${wsUrl}`;
}

function readPort(port: string | undefined): number {
  if (port === undefined) return defaultMqttPort;
  const number = Number(port);
  if (!/^\d{1,5}$/.test(port) || number < 1 || number > 65_535) {
    throw new PilinkError("bad-argument", `--port ${quoteValue(port)} is no port: use 1 to 65535.`, { value: port });
  }
  return number;
}

function readWsPort(ws: string | true): number {
  if (ws === true) return 0;
  const number = Number(ws);
  if (!/^\d{1,5}$/.test(ws) || number < 1 || number > 65_535) {
    throw new PilinkError(
      "bad-argument",
      `--ws ${quoteValue(ws)} is no port: use 1 to 65535, or no number to take a free one.`,
      { value: ws },
    );
  }
  return number;
}
