import { afterAll, afterEach, beforeAll, vi } from "vitest";
import { prepareStage, type Stage } from "../contract/stage.ts";
import type { TestBroker } from "../support/broker-process.ts";
import { startManagedBroker } from "../support/brokers.ts";
import { stopEverything } from "../support/cleanup.ts";
import { type ClientOptions, type McpClient, startClient } from "./client.ts";

/** A network on a real broker, and clients with their servers in it. */
export interface McpStage extends Stage {
  /** Starts a client whose server is set up for this network; the name is "claude" unless given. */
  client(options?: Partial<ClientOptions>): Promise<McpClient>;
  /** Starts a client whose server is set up for no network. */
  idleClient(options?: Partial<ClientOptions>): Promise<McpClient>;
}

/** Prepares a broker for the tests of a file, and gives a function that prepares a network for one of them. */
export function useStage(): () => Promise<McpStage> {
  // Each test starts processes of its own, which takes its time on a loaded machine.
  vi.setConfig({ testTimeout: 90_000 });
  let broker: TestBroker | undefined;
  const ends: (() => Promise<void>)[] = [];
  beforeAll(async () => {
    broker = await startManagedBroker();
  });
  afterEach(async () => {
    for (const end of ends.splice(0).reverse()) await end();
  });
  afterAll(stopEverything);
  return async () => {
    if (broker === undefined) throw new Error("The broker is started before the first test.");
    const stage = await prepareStage(broker, (end) => ends.push(end));
    const start = async (options: Partial<ClientOptions>) => {
      const client = await startClient({ home: await stage.otherHome(), ...options });
      ends.push(client.close);
      return client;
    };
    const common = { url: stage.url, keepaliveMs: 1_000 };
    return {
      ...stage,
      client: ({ flags = {}, ...rest } = {}) =>
        start({ ...rest, flags: { ...common, network: stage.network, name: "claude", ...flags } }),
      idleClient: ({ flags = {}, ...rest } = {}) => start({ ...rest, flags: { ...common, ...flags } }),
    };
  };
}
