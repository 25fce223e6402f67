import { createHmac } from "node:crypto";
import { setTimeout as pause } from "node:timers/promises";
import { messageOf } from "../../protocol/errors.ts";
import { newId } from "../../protocol/ids.ts";
import type { Notice } from "./hooks.ts";

const attemptTimeoutMs = 10_000;
const pausesMs = [1_000, 2_000, 4_000, 8_000, 16_000, 32_000] as const;

/** Where notices are posted, and what they are signed with. */
export interface Webhook {
  url: string;
  secret: string | undefined;
}

/**
 * Posts one notice as JSON, again after growing pauses where the other side cannot be reached or asks for patience
 * (408, 429 and 5xx).
 *
 * @param id the same for each try at one notice, so that the other side can tell them from a new one
 * @param signal ends it
 * @throws Error what the last try met
 */
export async function postNotice(
  { url, secret }: Webhook,
  notice: Notice,
  id: string = newId(),
  signal: AbortSignal,
): Promise<void> {
  const body = JSON.stringify(notice);
  const headers = {
    "content-type": "application/json",
    "user-agent": "pilink",
    "x-pilink-event": notice.event,
    "x-pilink-id": id,
  };
  for (let attempt = 0; ; attempt += 1) {
    const at = String(Date.now());
    const signature = secret === undefined ? {} : { "x-pilink-signature": sign(secret, at, body) };
    const met = await tryPost(url, { ...headers, "x-pilink-time": at, ...signature }, body, signal);
    if (met === undefined) return;
    const pauseMs = pausesMs[attempt];
    if (pauseMs === undefined || !met.mayPass || signal.aborted) {
      throw new Error(`${met.text} (tried ${attempt + 1} times)`);
    }
    // The end of the peer ends the pause; the loop then tries a last time, which the signal ends at once.
    await pause(pauseMs * (0.8 + 0.4 * Math.random()), undefined, { signal }).catch(() => undefined);
  }
}

/**
 * The signature of a notice: HMAC-SHA256 (RFC 2104) of the time and the body, so that an old post cannot be sent again
 * later.
 *
 * @param at as it stands in `x-pilink-time`
 */
export function sign(secret: string, at: string, body: string): string {
  return `sha256=${createHmac("sha256", secret).update(`${at}.${body}`).digest("hex")}`;
}

async function tryPost(
  url: string,
  headers: Record<string, string>,
  body: string,
  signal: AbortSignal,
): Promise<{ text: string; mayPass: boolean } | undefined> {
  try {
    const response = await fetch(url, {
      method: "POST",
      headers,
      body,
      // What was meant for one address is not handed on to another.
      redirect: "manual",
      signal: AbortSignal.any([signal, AbortSignal.timeout(attemptTimeoutMs)]),
    });
    await response.body?.cancel();
    if (response.ok) return undefined;
    const mayPass = response.status >= 500 || response.status === 408 || response.status === 429;
    return { text: `it was answered with ${response.status}`, mayPass };
  } catch (error) {
    const cause = error instanceof Error && error.cause !== undefined ? `: ${messageOf(error.cause)}` : "";
    return { text: `${messageOf(error)}${cause}`, mayPass: true };
  }
}
