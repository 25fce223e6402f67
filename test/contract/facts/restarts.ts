import type { TestBroker } from "../../support/broker-process.ts";
import { eventually } from "../../support/eventually.ts";
import { rawMqtt } from "../../support/raw-mqtt.ts";
import { allOrSome, type Fact, type Measured } from "./fact.ts";

const [record, mortal, inbox] = ["pilink/facts/dev/presence", "pilink/facts/mortal/presence", "pilink/facts/dev/inbox"];
const session = { clientId: "pl-facts-restart", clean: false };
const queuedCount = 7;

/**
 * Fills a broker with a retained record, a queue of an absent session and the client of a process that dies with it,
 * ends it, starts it again, and says what is left.
 */
async function whatIsLeft(
  { startAnother, kind }: Measured,
  end: (broker: TestBroker) => Promise<void>,
): Promise<string> {
  const broker = await startAnother();
  const absent = await rawMqtt(broker.url, session);
  await absent.subscribe(inbox);
  await absent.close();
  const publisher = await rawMqtt(broker.url);
  await publisher.publish(record, "born", { retain: true });
  const will = { topic: mortal, payload: Buffer.from("lost"), qos: 1 as const, retain: true };
  const dying = await rawMqtt(broker.url, { will });
  await dying.publish(mortal, "born", { retain: true });
  for (let index = 0; index < queuedCount; index += 1) await publisher.publish(inbox, `${index}`);
  if (kind === "mosquitto") {
    // Its file is written a moment after each change; the last one is that of a message that nobody has to find.
    const logged = broker.log().length;
    await publisher.publish(`${inbox}-end`, "end", { retain: true });
    await eventually(() => broker.log().slice(logged).includes("Saving in-memory database"), {
      timeoutMs: 3_000,
    }).catch(() => undefined);
  }
  await end(broker);
  await broker.restart();

  const reader = await rawMqtt(broker.url);
  await reader.subscribe("pilink/facts/+/presence");
  const back = await rawMqtt(broker.url, session);
  const countQueued = () => new Set(back.messages(inbox).map(({ text }) => text)).size;
  // What does not come within this time does not come.
  await eventually(() => countQueued() === queuedCount, { timeoutMs: 3_000 }).catch(() => undefined);
  const queued = countQueued();
  const state = reader.messages(mortal).at(-1)?.text;
  const found = [
    ...(reader.messages(record).length > 0 ? ["retained"] : []),
    ...(queued > 0 ? [`${allOrSome(queued, queuedCount)} queued`] : []),
    ...(state === "lost" ? ["wills are published"] : state === "born" ? ["a ghost"] : []),
  ];
  await Promise.all([reader.close(), back.close(), publisher.close(), dying.close()]);
  await broker.stop();
  return found.length === 0 ? "nothing" : found.join(", ");
}

/** What a broker still holds when it is started again. */
export const restartFacts: Fact[] = [
  {
    title: "after SIGTERM, with its disk",
    measure: (broker) => whatIsLeft(broker, (own) => own.stop()),
  },
  {
    title: "after SIGKILL, with its disk",
    measure: (broker) => whatIsLeft(broker, (own) => own.kill()),
  },
  {
    title: "after SIGKILL, without its disk",
    measure: (broker) =>
      whatIsLeft(broker, async (own) => {
        await own.kill();
        await own.loseDisk();
      }),
  },
];
