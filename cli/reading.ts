import { bodyLimitBytes } from "../protocol/envelope.ts";
import { PilinkError, quoteValue } from "../protocol/errors.ts";
import { decodeText, type Json, parseJson } from "../protocol/json.ts";

/**
 * The body of a message: the words of the command line, or standard input where there are none or `-` stands for it.
 *
 * @param isJson true where it is JSON and not a text
 * @throws PilinkError `bad-argument` where there is none, or no JSON; `too-big`, `bad-payload`
 */
export async function readBody(words: string[], isJson: boolean): Promise<Json> {
  const isInput = words.length === 0 || (words.length === 1 && words[0] === "-");
  if (words.length === 0 && process.stdin.isTTY === true) {
    throw new PilinkError(
      "bad-argument",
      "What should be sent? Write the text behind the receiver, or - to read it from standard input.",
    );
  }
  const text = isInput ? (await readInput()).replace(/\r?\n$/, "") : words.join(" ");
  if (text.trim() === "") throw new PilinkError("bad-argument", "There is no text to send.", { value: text });
  if (!isJson) return text;
  const parsed = parseJson(text);
  if (parsed === undefined)
    throw new PilinkError("bad-argument", `${quoteValue(text, 60)} is no JSON.`, { value: text });
  return parsed.value;
}

async function readInput(): Promise<string> {
  const chunks: Buffer[] = [];
  let sizeBytes = 0;
  for await (const chunk of process.stdin) {
    const bytes = Buffer.isBuffer(chunk) ? chunk : Buffer.from(String(chunk));
    chunks.push(bytes);
    sizeBytes += bytes.length;
    // A last line feed is taken off, so a text of exactly the limit may come with one.
    if (sizeBytes > bodyLimitBytes + 2) {
      throw new PilinkError(
        "too-big",
        `Standard input has more than ${bodyLimitBytes} bytes (1 MiB), which is the limit. Write it to a file and send the path, or send it in parts.`,
        { value: sizeBytes },
      );
    }
  }
  return decodeText(Buffer.concat(chunks));
}
