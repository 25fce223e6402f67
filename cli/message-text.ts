import { describeTime } from "../peer/texts.ts";
import { cleanLine } from "../protocol/clean.ts";
import { bodyText, frameMessage } from "../protocol/frame.ts";
import { newId } from "../protocol/ids.ts";
import type { ShownMessage } from "./message.ts";
import type { Output } from "./output.ts";

/**
 * A message as text. On a terminal a person reads it; otherwise what reads it may be a model, which gets it in the frame
 * that tells it from its user's words.
 */
export function describeMessage(
  message: ShownMessage,
  receiver: { network: string; name: string },
  output: Output,
): string {
  return output.isTerminal ? describeForPerson(message, output) : describeForModel(message, receiver);
}

function describeForPerson(
  { id, from, verified, type, re, body, at, late, taken }: ShownMessage,
  output: Output,
): string {
  const sender = from === null ? "an unnamed sender" : cleanLine(from, 80);
  const marks = [
    ...(verified ? [] : ["unverified"]),
    ...(type === "message" ? [] : [cleanLine(type, 20)]),
    ...(re === null ? [] : [`answers ${cleanLine(re, 64)}`]),
    ...(late ? ["late"] : []),
    ...(taken === true ? ["taken before"] : []),
  ];
  const head = [describeTime(at), cleanLine(id, 64), ...marks].join(", ");
  return `${output.styled("bold", sender)} ${output.styled("dim", `(${head})`)}\n${bodyText(body)}\n`;
}

function describeForModel(message: ShownMessage, { network, name }: { network: string; name: string }): string {
  const { from, verified, id } = message;
  const text = frameMessage({ ...message, from: from ?? undefined, network }, () => newId());
  if (!verified || from === null) return `${text.replace("with pilink_send", "with pilink send")}\n`;
  return `${text.replace(/call pilink_send with to "[^"]*" and re "[^"]*"\./, `run: pilink send ${from} --re ${id} --as ${name} --network ${network} "<answer>"`)}\n`;
}
