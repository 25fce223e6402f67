import { readdir, stat } from "node:fs/promises";
import { join } from "node:path";
import { z } from "zod";
import { statePath } from "../../peer/state.ts";
import { folderNameOf, parseAddress } from "../../protocol/address.ts";
import { type BenchBroker, startBrokers } from "../brokers.ts";
import { nothing, startChild } from "../child.ts";
import { mailSchema, spanSchema } from "../ends/place.ts";
import { placeOn, rotate } from "../line.ts";
import { Recording } from "../recording.ts";
import type { Scene, SceneOptions } from "../scene.ts";

const bytes = 256;
const mailbox = new URL("../children/mailbox.ts", import.meta.url);
const longTimeoutMs = 240_000;

/** Mail for somebody who is away: what it costs to keep it, and how it comes when he is back. */
export const durability: Scene = {
  name: "durability",
  title: "10,000 messages to a peer that is away, their delivery on its return, and their files",
  measure,
};

async function measure({ rounds, isQuick, say }: SceneOptions) {
  const count = isQuick ? 100 : 10_000;
  const scene = `Mail for a peer that is away, ${count} × 256 B`;
  const recording = new Recording();
  const brokers = await startBrokers(say);
  for (let round = 0; round < rounds; round += 1) {
    for (const broker of rotate(brokers, round)) await comeBack(broker, { round, count, scene, recording });
    say(`round ${round + 1} of ${rounds}`);
  }
  return recording.figures();
}

interface Absence {
  round: number;
  count: number;
  scene: string;
  recording: Recording;
}

async function comeBack(broker: BenchBroker, { round, count, scene, recording }: Absence): Promise<void> {
  const network = `away-${round}`;
  const place = (name: string, does: "create" | "join") => placeOn(broker, "pilink", name, { network, does });
  const sender = await startChild(mailbox);
  await sender.ask("enter", nothing, place("sender", "create"));
  const before = await startChild(mailbox);
  await before.ask("enter", nothing, place("receiver", "join"));
  await before.kill();

  const emptyBytes = await folderBytes(pathOf(broker, network, "sender"));
  const kept = await sender.ask("leaveMail", spanSchema, { to: "receiver", count, bytes }, longTimeoutMs);
  const after = await startChild(mailbox);
  const received = sender.ask("untilAllReceived", z.number(), null, longTimeoutMs);
  const mail = await after.ask("takeMail", mailSchema, { place: place("receiver", "join"), count }, longTimeoutMs);
  const receivedMs = await received;

  const note = (quantity: string, unit: "ms" | "messages/s" | "bytes", value: number) =>
    recording.note(scene, broker.name, quantity, unit, value);
  note("taken by the sender", "messages/s", (count / (kept.endedMs - kept.beganMs)) * 1_000);
  note("return: joining", "ms", mail.enteredMs - mail.beganMs);
  note("return: joined to first message", "ms", mail.firstMs - mail.enteredMs);
  note("return: joined to last message", "ms", mail.lastMs - mail.enteredMs);
  note("return: joined to last received at the sender", "ms", receivedMs - mail.enteredMs);
  // Their audits are written a moment later than the rest, and are part of the price.
  await Promise.all([sender.release(), after.release()]);
  const senderBytes = (await folderBytes(pathOf(broker, network, "sender"))) - emptyBytes;
  note("sender's files, for each message", "bytes", senderBytes / count);
  const receiverBytes = await folderBytes(pathOf(broker, network, "receiver"));
  note("receiver's files, for each message", "bytes", receiverBytes / count);
}

function pathOf({ home, url }: BenchBroker, network: string, name: string): string {
  return statePath(home, network, url === undefined ? undefined : folderNameOf(parseAddress(url).url), name);
}

/** What all files of a folder hold. */
async function folderBytes(path: string): Promise<number> {
  const entries = await readdir(path, { withFileTypes: true, recursive: true });
  const files = entries.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name));
  const sizes = await Promise.all(files.map(async (file) => (await stat(file)).size));
  return sizes.reduce((sum, size) => sum + size, 0);
}
