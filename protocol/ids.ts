import { customAlphabet } from "nanoid";
import { z } from "zod";

// MQTT 3.1.1 §3.1.3.1: every server must take client ids of up to 23 letters and digits. "pl-" and 20 more are 23.
const boxLength = 20;
const lowerCaseId = customAlphabet("0123456789abcdefghijklmnopqrstuvwxyz");

// 9 base-36 digits of milliseconds last until the year 5188 and keep the order of text and of time the same.
const epochTimeLength = 9;
const epochRandomLength = 11;

// Letters and digits only: an id that began with "-" would be taken for an option where a person or a model types it.
const lettersAndDigits = customAlphabet("0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz");

// As unlikely to meet twice as nanoid's own 21 of 64 characters: 62 ** 22 > 64 ** 21.
const idLength = 22;

/** An id on the wire: of a message, a life, an instance, a box or a request (topics.md, "Identifiers"). */
export const idSchema = z.string().regex(/^[A-Za-z0-9_-]{1,64}$/);

/** A new id for a message or a request. */
export function newId(): string {
  return lettersAndDigits(idLength);
}

/**
 * True for a word that only an id looks like: as long as one, give or take what is lost or doubled in copying, with
 * capitals, small letters and digits mixed. No word of a language is, nor a name in a program.
 */
export function looksLikeId(word: string): boolean {
  const isAlike = /^[A-Za-z0-9]+$/.test(word) && Math.abs(word.length - idLength) <= 2;
  return isAlike && /[a-z]/.test(word) && /[A-Z]/.test(word) && /\d/.test(word);
}

/** A new id for a state folder; the client id is made of it (topics.md, "MQTT profile"). */
export function newBox(): string {
  return lowerCaseId(boxLength);
}

/**
 * A new id for a life. Of two, the one made earlier sorts first where the clocks agree, so that the older host wins.
 *
 * @param nowMs the time, in milliseconds since 1970
 */
export function newEpoch(nowMs: number = Date.now()): string {
  return nowMs.toString(36).padStart(epochTimeLength, "0") + lowerCaseId(epochRandomLength);
}

/** The MQTT client id of a box (topics.md, "MQTT profile"). */
export function clientIdOf(box: string): string {
  return `pl-${box}`;
}
