import { EventEmitter } from "node:events";
import { type ErrorCode, messageOf, PilinkError } from "../protocol/errors.ts";
import type { PeerEvents } from "./peer.ts";

// A full disk, or a full inbox, refuses every message: a person needs to hear of it once in a while, not each time.
const standingFaultPauseMs = 60_000;

/** Where a peer's events go out, and what it does in the background can fail without harm. */
export class Outlet {
  readonly events = new EventEmitter<PeerEvents>();
  readonly #toldMs = new Map<ErrorCode, number>();

  /** Emits an event. A listener that throws is a fault of the face: it must not look like a bad payload to the wire. */
  emit<Name extends keyof PeerEvents>(name: Name, ...args: PeerEvents[Name]): void {
    try {
      this.events.emit<keyof PeerEvents>(name, ...args);
    } catch (cause) {
      if (name === "trouble") throw cause;
      const fault = `A listener of "${name}" failed: ${messageOf(cause)}`;
      this.emit("trouble", new PilinkError("bad-argument", fault, { cause }));
    }
  }

  /** Work that nobody waits for: a lost connection repeats it when it is back, anything else is said. */
  inBackground(work: Promise<unknown>): void {
    work.catch((error: unknown) => {
      if (error instanceof PilinkError && error.code === "connection-lost") return;
      this.emit("trouble", asPilinkError(error, "bad-payload"));
    });
  }

  /** A file of the peer could not be written. */
  reportDisk(error: unknown): void {
    this.reportStanding(asPilinkError(error, "state-unusable"));
  }

  /** A fault that lasts comes with each message: it is told once in a minute. */
  reportStanding(error: PilinkError): void {
    const nowMs = performance.now();
    if (nowMs - (this.#toldMs.get(error.code) ?? Number.NEGATIVE_INFINITY) < standingFaultPauseMs) return;
    this.#toldMs.set(error.code, nowMs);
    this.emit("trouble", error);
  }
}

function asPilinkError(error: unknown, code: "bad-payload" | "state-unusable"): PilinkError {
  return error instanceof PilinkError ? error : new PilinkError(code, messageOf(error), { cause: error });
}
