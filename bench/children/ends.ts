// A process with one or more ends of lines, which sends, and notes when what arrives.
import { setTimeout as pause } from "node:timers/promises";
import { z } from "zod";
import type { End } from "../ends/end.ts";
import { openKeptEnd } from "../ends/kept.ts";
import { openMqttEnd } from "../ends/mqtt.ts";
import { openPilinkEnd } from "../ends/pilink.ts";
import {
  type Arrivals,
  floodSchema,
  type Place,
  paceSchema,
  placeSchema,
  type Sample,
  sendSchema,
} from "../ends/place.ts";
import { openSseEnd } from "../ends/sse.ts";
import { openTcpEnd } from "../ends/tcp.ts";
import { nowMs, serve, service } from "../serving.ts";

const ends: End[] = [];
let arrivals: Arrivals = [];
let waiting: { count: number; resolve: () => void } | undefined;

function hear(body: string): void {
  const atMs = nowMs();
  arrivals.push([Number.parseInt(body, 10), atMs]);
  if (waiting !== undefined && arrivals.length >= waiting.count) waiting.resolve();
}

async function openEnd(place: Place): Promise<End> {
  if (place.kind === "pilink") return openPilinkEnd(place, hear);
  if (place.kind === "mqtt") return openMqttEnd(place, hear);
  if (place.kind === "kept") return openKeptEnd(place, hear);
  if (place.kind === "sse") return openSseEnd(place, hear);
  return openTcpEnd(place, hear);
}

/** A text of that size which begins with its number. */
function makeBody(index: number, bytes: number): string {
  return `${index} `.padEnd(bytes, "x");
}

function endAt(place: number): End {
  const end = ends[place];
  if (end === undefined) throw new Error(`This process has no end ${place}; it has ${ends.length}.`);
  return end;
}

async function sendOne(end: End, to: string | string[], index: number, bytes: number): Promise<Sample> {
  const body = makeBody(index, bytes);
  const sentMs = nowMs();
  await end.send(to, body);
  return { index, sentMs, confirmedMs: nowMs() };
}

serve({
  open: service(placeSchema, async (place) => {
    ends.push(await openEnd(place));
  }),

  send: service(sendSchema, ({ to, index, bytes }) => sendOne(endAt(0), to, index, bytes)),

  pace: service(paceSchema, async ({ to, count, everyMs, bytes }) => {
    const beganMs = nowMs();
    const samples: Promise<Sample>[] = [];
    for (let index = 0; index < count; index += 1) {
      const waitMs = beganMs + index * everyMs - nowMs();
      if (waitMs > 0) await pause(waitMs);
      samples.push(sendOne(endAt(0), to, index, bytes));
    }
    return await Promise.all(samples);
  }),

  flood: service(floodSchema, async ({ to, count, inFlight, bytes }) => {
    const beganMs = nowMs();
    await Promise.all(
      ends.map(async (end) => {
        let next = 0;
        const lane = async () => {
          while (next < count) {
            next += 1;
            await end.send(to, makeBody(next, bytes));
          }
        };
        await Promise.all(Array.from({ length: inFlight }, lane));
      }),
    );
    return { beganMs, endedMs: nowMs() };
  }),

  forget: () => {
    arrivals = [];
  },

  arrived: service(z.int(), async (count) => {
    if (arrivals.length < count) {
      await new Promise<void>((resolve) => {
        waiting = { count, resolve };
      });
      waiting = undefined;
    }
    return arrivals;
  }),
});
