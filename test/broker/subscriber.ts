import mqtt from "mqtt";

// A subscriber in a process of its own, so that a test can freeze it. Arguments: URL, topic.
// Prints "ready" when it is subscribed, and the number of messages it has after each.
const [url = "", topic = ""] = process.argv.slice(2);
let received = 0;
const client = await mqtt.connectAsync(url, { keepalive: 60, reconnectPeriod: 0 });
client.on("message", () => {
  received += 1;
  process.stdout.write(`${received}\n`);
});
client.on("close", () => process.exit(0));
await client.subscribeAsync(topic, { qos: 1 });
process.stdout.write("ready\n");
