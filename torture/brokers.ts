import type { TestBroker } from "../test/support/broker-process.ts";
import { findMosquitto, findNats, startManagedBroker, startMosquitto, startNats } from "../test/support/brokers.ts";

/** The brokers that can be tortured. */
export const brokers = {
  managed: { installed: () => true, start: () => startManagedBroker() },
  mosquitto: { installed: () => findMosquitto() !== undefined, start: () => startMosquitto() },
  nats: { installed: () => findNats() !== undefined, start: () => startNats() },
} satisfies Record<string, { installed: () => boolean; start: () => Promise<TestBroker> }>;
/** One of {@link brokers}. */
export type BrokerName = keyof typeof brokers;

/** The names of {@link brokers}. */
export const brokerNames: readonly BrokerName[] = ["managed", "mosquitto", "nats"];
