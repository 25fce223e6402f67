import { afterAll, beforeAll } from "vitest";
import { stopEverything } from "../support/cleanup.ts";
import { eventually } from "../support/eventually.ts";
import { type RawMqtt, rawMqtt } from "../support/raw-mqtt.ts";
import { type Lan, startLan, teamPassword } from "./lan.ts";

const password = "word of the others";

/**
 * A broker for a whole suite.
 *
 * @param variant what `PILINK_LAN` is
 * @param first the account of `.env`
 * @param others accounts that are added
 */
export function suiteBroker(variant: string, first: string, others: string[]) {
  let running: Lan | undefined;
  const lan = (): Lan => {
    if (running === undefined) throw new Error("The broker runs only inside of tests and hooks.");
    return running;
  };
  const account = (username: string) => ({ username, password: username === first ? teamPassword : password });
  const client = (username: string) => rawMqtt(lan().url(1883), account(username));
  beforeAll(async () => {
    running = await startLan({ PILINK_LAN: variant, PILINK_USERNAME: first });
    for (const name of others) await running.addAccount(name, password);
    for (const name of others) await (await eventually(() => client(name))).close();
  });
  afterAll(stopEverything);
  return { lan, account, client };
}

/**
 * Publishes what is forbidden. It is acknowledged and dropped; 2.0 closes the connection at the second time, so each
 * attempt has one of its own.
 */
export async function tryTo(
  connecting: Promise<RawMqtt>,
  topic: string,
  payload: string,
  retain = false,
): Promise<void> {
  const own = await connecting;
  await new Promise<void>((resolve) => {
    own.client.once("close", () => resolve());
    own.client.publish(topic, payload, { qos: 1, retain }, () => resolve());
  });
  await own.close();
}
