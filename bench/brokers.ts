import { startBroker, stopBroker } from "../broker/managed.ts";
import { findMosquitto, findNats, startMosquitto, startNats } from "../test/support/brokers.ts";
import { guardProcess, onCleanup } from "../test/support/cleanup.ts";
import { freePort } from "../test/support/network.ts";
import { temporaryHome } from "../test/support/temporary-home.ts";

/** A broker that runs while a scene is measured. */
export interface BenchBroker {
  name: "managed broker" | "Mosquitto" | "NATS";
  /** The state folder (`PILINK_HOME`) of the peers that are on it. */
  home: string;
  /** What its peers are told of it: nothing of the managed one, which they find by themselves. */
  url: string | undefined;
  /** Where it listens, for a client that is no peer. */
  address: string;
  pid: number;
}

/**
 * Starts the managed broker as a person's first `/pilink create` does: in the background, with every default but the
 * port, which must be free. `stopEverything()` ends it.
 *
 * @param given the state folder, a fresh one unless given
 */
export async function startManaged(given?: string): Promise<BenchBroker> {
  const home = given ?? (await temporaryHome()).path;
  const { url, pid = 0 } = await startBroker({ home, defaultPort: await freePort() });
  const release = guardProcess(pid);
  onCleanup(async () => {
    await stopBroker({ home });
    release();
  });
  return { name: "managed broker", home, url: undefined, address: url, pid };
}

/** Starts every broker that is installed, and says which one is not. */
export async function startBrokers(say: (line: string) => void): Promise<BenchBroker[]> {
  const started = [await startManaged()];
  if (findMosquitto() === undefined) say("Mosquitto is not installed: left out.");
  else {
    // All in memory and without a line of log for each packet, as the managed broker has it.
    const config = "log_type none\nlog_type information";
    const { url, pid } = await startMosquitto({ persistence: false, config });
    started.push({ name: "Mosquitto", ...(await external(url)), pid: pid() ?? 0 });
  }
  if (findNats() === undefined) say("NATS is not installed: left out.");
  else {
    const { url, pid } = await startNats();
    started.push({ name: "NATS", ...(await external(url)), pid: pid() ?? 0 });
  }
  return started;
}

async function external(url: string): Promise<Pick<BenchBroker, "home" | "url" | "address">> {
  const { path: home } = await temporaryHome();
  return { home, url, address: url };
}
