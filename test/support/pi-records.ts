import { z } from "zod";

/** One JSON line from Pi's standard output. */
export interface PiRecord {
  type: string;
  [field: string]: unknown;
}

const recordSchema = z.looseObject({ type: z.string() });

const responseSchema = z.object({
  type: z.literal("response"),
  id: z.string().optional(),
  command: z.string(),
  success: z.boolean(),
  data: z.unknown().optional(),
  error: z.string().optional(),
});

/** Pi's answer to one command. */
export type PiResponse = z.infer<typeof responseSchema>;

const noticeSchema = z.object({
  type: z.literal("extension_ui_request"),
  method: z.literal("notify"),
  message: z.string(),
  notifyType: z.enum(["info", "warning", "error"]).optional(),
});

/** What `ctx.ui.notify` showed. */
export interface PiNotification {
  message: string;
  type: "info" | "warning" | "error";
  atMs: number;
}

const statusSchema = z.object({
  type: z.literal("extension_ui_request"),
  method: z.literal("setStatus"),
  statusKey: z.string(),
  statusText: z.string().optional(),
});

/** What `ctx.ui.setStatus` set; `text` is undefined where it was removed. */
export interface PiStatus {
  key: string;
  text: string | undefined;
  atMs: number;
}

const dialogSchema = z.object({
  type: z.literal("extension_ui_request"),
  id: z.string(),
  method: z.enum(["select", "confirm", "input", "editor"]),
  title: z.string(),
  message: z.string().optional(),
  options: z.array(z.string()).optional(),
  placeholder: z.string().optional(),
  prefill: z.string().optional(),
});

/** A dialog that an extension waits in. */
export type PiDialog = z.infer<typeof dialogSchema>;

/** What a person does in a dialog: a text or choice, yes or no, or `null` for Escape. */
export type DialogAnswer = string | boolean | null;

/**
 * Reads one line of Pi's output.
 *
 * @throws Error with the line if it is no record
 */
export function parseRecord(line: string): PiRecord {
  try {
    return recordSchema.parse(JSON.parse(line));
  } catch (cause) {
    throw new Error(`Pi wrote a line that is no record: ${line.slice(0, 300)}`, { cause });
  }
}

/** A record as the answer to a command, or undefined if it is something else. */
export function asResponse(record: PiRecord): PiResponse | undefined {
  return responseSchema.safeParse(record).data;
}

/** A record as a notification, or undefined if it is something else. */
export function asNotification(record: PiRecord, atMs: number): PiNotification | undefined {
  const notice = noticeSchema.safeParse(record).data;
  return notice && { message: notice.message, type: notice.notifyType ?? "info", atMs };
}

/** A record as a status, or undefined if it is something else. */
export function asStatus(record: PiRecord, atMs: number): PiStatus | undefined {
  const status = statusSchema.safeParse(record).data;
  return status && { key: status.statusKey, text: status.statusText, atMs };
}

/** A record as a dialog, or undefined if it is something else. */
export function asDialog(record: PiRecord): PiDialog | undefined {
  return dialogSchema.safeParse(record).data;
}

/** The record that answers a dialog. */
export function dialogResponse(dialog: PiDialog, answer: DialogAnswer): PiRecord {
  const head = { type: "extension_ui_response", id: dialog.id };
  if (answer === null) return { ...head, cancelled: true };
  if (typeof answer === "boolean") {
    if (dialog.method !== "select") return { ...head, confirmed: answer };
    const value = dialog.options?.find((option) => option.startsWith(answer ? "Yes" : "No"));
    if (value === undefined) throw new Error(`This dialog asks for no yes or no: ${JSON.stringify(dialog)}`);
    return { ...head, value };
  }
  return { ...head, value: answer };
}

/**
 * Splits a stream of bytes into lines at LF only, as Pi's protocol asks: other line separators
 * may stand inside a JSON string.
 *
 * @param onLine is given each complete line without its LF
 * @returns to be called with each chunk
 */
export function splitLines(onLine: (line: string) => void): (chunk: Buffer) => void {
  let rest: Buffer[] = [];
  return (chunk) => {
    let start = 0;
    for (let end = chunk.indexOf(0x0a); end >= 0; end = chunk.indexOf(0x0a, start)) {
      rest.push(chunk.subarray(start, end));
      const line = Buffer.concat(rest).toString("utf8");
      rest = [];
      start = end + 1;
      if (line !== "") onLine(line);
    }
    if (start < chunk.length) rest.push(chunk.subarray(start));
  };
}
