import { mkdirSync } from "node:fs";
import { resolve } from "node:path";
import { messageOf, PilinkError, quoteValue } from "../../protocol/errors.ts";
import { describeBackground } from "../background/choice.ts";
import { statusSchema } from "../background/control.ts";
import { ask } from "../background/conversation.ts";
import { type BackgroundPlan, type HookOptions, hooksSchema } from "../background/plan.ts";
import { readRecord, readRecords } from "../background/record.ts";
import { startResident } from "../background/resident.ts";
import { startBackground } from "../background/start.ts";
import type { Context } from "../context.ts";
import { type ExitCode, exitCodes } from "../exit-codes.ts";
import type { Given } from "../given.ts";
import { type Place, placeHere, planEntering } from "../place.ts";

/** `pilink join` */
export async function runJoin(network: string | undefined, options: Given, context: Context): Promise<ExitCode> {
  const { name, role, url, create = false, background = false } = options;
  const place = placeHere({ network, name, role, url });
  const { notes, ...plan } = planOf(place, create, readHooks(options));
  for (const text of [...place.notes, ...notes]) context.note(text);
  const present = await findPresent(plan);
  if (present !== undefined) {
    await context.output.result(
      {
        joined: true,
        already: true,
        network: present.network,
        name: present.name,
        kind: present.kind,
        url: present.url,
      },
      `Already in the network "${present.network}" as "${present.name}". To change how, run pilink leave first.`,
    );
    return exitCodes.done;
  }
  return background ? joinInBackground(plan, context) : stayInForeground(plan, context);
}

function planOf(place: Place, isCreating: boolean, hooks: HookOptions): BackgroundPlan & { notes: string[] } {
  const kind = isCreating ? "either" : "join";
  const { network, name, home, folder, settings, isNameChosen, notes } = planEntering(place, kind);
  return { kind, home, folder, network, name, isNameChosen, settings, hooks, notes };
}

function readHooks({ onMessage, webhook, notifyDir }: Given): HookOptions {
  const secret = process.env.PILINK_WEBHOOK_SECRET;
  const given = {
    ...(onMessage === undefined ? {} : { onMessage }),
    ...(webhook === undefined ? {} : { webhook }),
    ...(secret === undefined || secret === "" ? {} : { webhookSecret: secret }),
    ...(notifyDir === undefined ? {} : { notifyDir: resolve(notifyDir) }),
  };
  const read = hooksSchema.safeParse(given);
  if (!read.success) {
    const wrong = read.error.issues[0]?.path[0];
    if (wrong === "webhook") {
      throw new PilinkError("bad-argument", `--webhook ${quoteValue(webhook)} is no http or https URL.`, {
        value: webhook,
      });
    }
    throw new PilinkError("bad-argument", `--${wrong === "onMessage" ? "on-message" : "notify-dir"} is empty.`, {
      value: "",
    });
  }
  if (read.data.notifyDir !== undefined) {
    try {
      mkdirSync(read.data.notifyDir, { recursive: true });
    } catch (cause) {
      throw new PilinkError(
        "bad-argument",
        `--notify-dir ${quoteValue(notifyDir)} cannot be made: ${messageOf(cause)}.`,
        { value: notifyDir, cause },
      );
    }
  }
  return read.data;
}

/** The background peer of this name in this network, in this folder. */
async function findPresent({ home, network, name, folder }: BackgroundPlan) {
  for (const { record, isAlive } of await readRecords(home)) {
    if (!isAlive || record.network !== network || record.name !== name || record.folder !== folder) continue;
    const answer = await ask(record, { command: "status" }, statusSchema);
    answer?.close();
    if (answer !== undefined) return record;
  }
  return undefined;
}

async function joinInBackground(plan: BackgroundPlan, context: Context): Promise<ExitCode> {
  const { output, signal, onWaiting } = context;
  const { id, notes } = await startBackground(plan, onWaiting, signal);
  for (const text of notes) context.note(text);
  const record = await readRecord(plan.home, id);
  if (record === undefined)
    throw new Error("The background peer ended at once. Its log in PILINK_HOME/background says why.");
  const {
    network,
    name,
    kind,
    url,
    process: { pid },
  } = record;
  await output.result(
    { joined: true, already: false, network, name, kind, url, pid },
    `${kind === "host" ? "Created" : "Joined"} the network "${network}" as "${name}"; it stays in the background (pid ${pid}) until pilink leave, or until the network ends.`,
  );
  return exitCodes.done;
}

async function stayInForeground(plan: BackgroundPlan, context: Context): Promise<ExitCode> {
  const { output, signal, note, onWaiting } = context;
  const resident = await startResident(plan, { onWaiting, log: note });
  for (const text of resident.notes) note(text);
  const { network, name, kind, url } = resident.record;
  await output.result(
    { joined: true, already: false, network, name, kind, url, pid: process.pid },
    `${kind === "host" ? "Created" : "Joined"} the network as ${describeBackground(resident.record)}. Other commands use this peer while it runs; Ctrl+C leaves.`,
  );
  const leave = () => resident.leave("it was told to leave");
  signal.addEventListener("abort", leave);
  if (signal.aborted) leave();
  await resident.over;
  return signal.aborted ? exitCodes.done : exitCodes.noNetwork;
}
