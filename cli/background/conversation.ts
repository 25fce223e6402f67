import { connect } from "node:net";
import type { z } from "zod";
import { type ErrorCode, errorCodes, PilinkError } from "../../protocol/errors.ts";
import { LineSocket } from "../line-socket.ts";
import { answerLimitBytes, failedSchema, type Request, writtenLine } from "./control.ts";
import type { BackgroundRecord } from "./record.ts";

type Question = Request extends infer One ? (One extends Request ? Omit<One, "token"> : never) : never;

/** An answer of a background peer, and the way to say that it was written. */
export interface Answer<Value> {
  value: Value;
  /** Tells the peer that everything it gave was written; without it, it gives it again to the next one. */
  written(): Promise<void>;
  /** Ends the conversation. Idempotent. */
  close(): void;
}

/**
 * Asks a background peer.
 *
 * @param question what to ask
 * @param schema what the answer must fit
 * @returns undefined where nobody answers: it is ending, or has been killed
 * @throws PilinkError what the peer answers instead, `cancelled` where the signal ended it
 */
export async function ask<Schema extends z.ZodType>(
  { control }: BackgroundRecord,
  question: Question,
  schema: Schema,
  signal?: AbortSignal,
): Promise<Answer<z.infer<Schema>> | undefined> {
  const socket = connect(control.path);
  const line = new LineSocket(socket, answerLimitBytes);
  const close = () => line.destroy();
  signal?.addEventListener("abort", close);
  try {
    await line.send({ ...question, token: control.token });
    const answered = await line.next();
    if (signal?.aborted === true) throw new PilinkError("cancelled", "The command was interrupted.");
    if (answered === undefined) {
      close();
      return undefined;
    }
    const failed = failedSchema.safeParse(answered).data;
    if (failed !== undefined) throw faultOf(failed.error);
    return {
      value: schema.parse(answered),
      async written() {
        await line.send(writtenLine);
        // The peer ends the conversation when it has noted it.
        await line.next();
        close();
      },
      close,
    };
  } catch (error) {
    close();
    throw error;
  } finally {
    signal?.removeEventListener("abort", close);
  }
}

function faultOf({ code, message }: { code: string | null; message: string }): Error {
  return isErrorCode(code) ? new PilinkError(code, message) : new Error(message);
}

function isErrorCode(code: string | null): code is ErrorCode {
  return code !== null && Object.hasOwn(errorCodes, code);
}
