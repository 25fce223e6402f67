import { observe } from "../../peer/observing.ts";
import { PilinkError } from "../../protocol/errors.ts";
import { parseName } from "../../protocol/names.ts";
import type { Context } from "../context.ts";
import { type ExitCode, exitCodes } from "../exit-codes.ts";
import type { Given } from "../given.ts";
import { placeHere } from "../place.ts";
import { describeTraffic, fits, readTraffic } from "../traffic.ts";
import { findBroker } from "./networks.ts";

/** `pilink watch` */
export async function runWatch(network: string | undefined, given: Given, context: Context): Promise<ExitCode> {
  const { url, peer, grep, only } = given;
  const place = placeHere({ network, url });
  const named = place.values.network === undefined ? undefined : parseName(place.values.network, "network");
  const filter = {
    peer: peer === undefined ? undefined : parseName(peer),
    grep: grep?.toLowerCase(),
    kinds: new Set(only ?? (["messages", "receipts", "presence"] as const)),
  };
  const address = await findBroker(place);
  if (address === undefined) {
    throw new PilinkError(
      "broker-unreachable",
      "No broker runs, so there is nothing to watch. pilink broker starts it.",
    );
  }
  const { output, signal, note } = context;
  const { username, password, ca } = place.values;
  let isBroken = false;
  const over = new AbortController();
  const observer = await observe({ url: address, username, password, ca }, named, {
    onMessage(delivered) {
      const traffic = readTraffic(delivered);
      if (traffic === undefined || !fits(traffic, filter)) return;
      output.result(traffic, describeTraffic(traffic, output)).catch(() => {
        isBroken = true;
        over.abort();
      });
    },
    onDown: (reason) => note(`The connection to the broker was lost (${reason}); it is made again.`),
    onEnded: (error) => {
      note(error.message);
      over.abort();
    },
  });
  note(
    `Watching ${named === undefined ? "every network" : `the network "${named}"`} on ${observer.address}. Ctrl+C ends it.`,
  );
  const ended = AbortSignal.any([signal, over.signal]);
  await new Promise<void>((resolve) => {
    if (ended.aborted) resolve();
    ended.addEventListener("abort", () => resolve());
  });
  await observer.close();
  if (signal.aborted) return exitCodes.done;
  return isBroken ? exitCodes.failed : exitCodes.noBroker;
}
