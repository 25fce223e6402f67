import type { ExtensionContext } from "@earendil-works/pi-coding-agent";
import { describeFault } from "../peer/texts.ts";
import { PilinkError } from "../protocol/errors.ts";
import { endAttempt } from "./attempt.ts";
import { describeStartFault, enter } from "./commands/enter.ts";
import { inheritedMark } from "./mark.ts";
import type { Session } from "./session.ts";

/** What Pi was started with. */
export interface StartFlags {
  /** `--pilink` */
  network: string;
  /** `--pilink-name` */
  name: string | undefined;
}

// A run of `pi -p` has to be in the network before it begins; a person would rather have the editor.
const limitMs = { print: 30_000, person: 8_000 } as const;

/**
 * Enters the network that Pi was started with, or creates it where there is none. What goes wrong is told, and Pi goes
 * on without a network.
 *
 * @returns when it is entered, or when the time is over: then `pi -p` gives up, and any other Pi goes on trying
 */
export async function enterAtStart(session: Session, ctx: ExtensionContext, flags: StartFlags): Promise<void> {
  const { network, name } = flags;
  const { carried } = session;
  if (session.connection !== undefined || carried.attempt !== undefined) return;
  const mark = inheritedMark();
  if (mark !== undefined) {
    session.say(
      `--pilink ${network} was ignored, because this Pi was started by one that is in a network (PILINK_JOINED=${mark}). To join anyway, run /pilink join ${network}, or start Pi without that variable.`,
      "warning",
    );
    return;
  }
  const entering = enter(
    {
      kind: "either",
      network,
      flags: name === undefined ? {} : { name },
      about: undefined,
      yes: false,
      usage: "pi --pilink <network> [--pilink-name <name>]",
      isStart: true,
    },
    { session, ctx },
  )
    // What takes long is told as it is for a command; a run that has no person waits for the end of it.
    .then(() => (ctx.hasUI ? undefined : carried.attempt?.done))
    .catch((error: unknown) => session.say(describeStartFault(error), "error"));
  if ((await within(entering, ctx.hasUI ? limitMs.person : limitMs.print)) || ctx.hasUI) return;
  endAttempt(carried);
  const seconds = limitMs.print / 1000;
  session.say(
    describeFault(
      new PilinkError("cancelled", `The network "${network}" could not be entered within ${seconds} s.`, {
        value: network,
      }),
    ),
    "error",
  );
}

/** @returns false where the time was over first */
async function within(work: Promise<void>, forMs: number): Promise<boolean> {
  const over = Promise.withResolvers<boolean>();
  const timer = setTimeout(() => over.resolve(false), forMs);
  try {
    return await Promise.race([work.then(() => true), over.promise]);
  } finally {
    clearTimeout(timer);
  }
}
