import type { TestBroker } from "../../support/broker-process.ts";

/** Something about a broker that can be measured. */
export interface Fact {
  /** The row's first cell. */
  title: string;
  /**
   * Finds out how it is with one broker.
   *
   * @returns the text of the cell, the same at each measurement
   */
  measure(broker: Measured): Promise<string>;
}

/** The broker that a fact is measured on. */
export interface Measured {
  kind: "managed" | "mosquitto" | "nats";
  /** One that all facts share; topics and client ids have to be the fact's own. */
  shared: TestBroker;
  /** Starts another of the same kind, to be ended in the midst of it. */
  startAnother(): Promise<TestBroker>;
}

/** "yes" or "no". */
export function yesOrNo(holds: boolean): string {
  return holds ? "yes" : "no";
}

/** "all", "none", or how many there were. */
export function allOrSome(found: number, wanted: number): string {
  if (found === wanted) return "all";
  return found === 0 ? "none" : `${found.toLocaleString("en")} of ${wanted.toLocaleString("en")}`;
}
