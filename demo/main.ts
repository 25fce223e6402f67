import { parseArgs } from "node:util";
import { stopBroker } from "../broker/managed.ts";
import { parseAddress } from "../protocol/address.ts";
import { messageOf } from "../protocol/errors.ts";
import { stopEverything } from "../test/support/cleanup.ts";
import { freePort } from "../test/support/network.ts";
import { stateFolderOf } from "../test/support/pi-home.ts";
import { startPi } from "../test/support/pi-process.ts";
import { startScriptedModel } from "../test/support/scripted-model.ts";
import { temporaryHome } from "../test/support/temporary-home.ts";
import { playDev, playProd } from "./models.ts";
import { Stage } from "./stage.ts";
import { playStory } from "./story.ts";

const usage = `npm start [-- --external mqtt://HOST:PORT]

Shows two real Pi agents that talk over MQTT, with a scripted model instead of a real one.
  --external URL   use the broker at URL instead of starting the managed one`;

async function main(): Promise<void> {
  const { values } = parseArgs({ options: { external: { type: "string" }, help: { type: "boolean", short: "h" } } });
  if (values.help === true) {
    console.log(usage);
    return;
  }
  const external = values.external === undefined ? undefined : parseAddress(values.external).url;
  const beganMs = performance.now();
  const { path: home } = await temporaryHome();
  const url = values.external ?? `mqtt://127.0.0.1:${await freePort()}`;
  const model = await startScriptedModel();
  model.script("scripted-1", playDev);
  model.script("scripted-2", playProd);
  const env = { PILINK_URL: url };
  const stage = new Stage();
  stage.open("PI//LINK over MQTT", [
    "Two real Pi processes, each with its own session and workspace, and a scripted model instead of a real one.",
    external === undefined
      ? `They talk over the managed broker, which the first of them starts at ${url}.`
      : `They talk over the broker at ${external}.`,
    `What they keep is in ${home}, which is removed at the end.`,
  ]);
  try {
    const [dev, prod] = await Promise.all([
      startPi({ home, name: "dev", model, modelId: "scripted-1", env }),
      startPi({ home, name: "prod", model, modelId: "scripted-2", env }),
    ]);
    const timings = await playStory({ stage, dev, prod });
    stage.scene("What it took.");
    stage.measured("model's tool call → message in the other session", timings.sendToInjectedMs);
    stage.measured("the answer's tool call → answer in the first session", timings.replyToInjectedMs);
    stage.measured("SIGKILL of the host → notice in the other session", timings.killToNoticeMs);
    const left = await prod.stop();
    stage.measured("prod's orderly quit", left.tookMs);
  } finally {
    if (external === undefined) await stopBroker({ home: stateFolderOf(home), url });
    await stopEverything();
  }
  stage.measured("everything", performance.now() - beganMs);
}

main().catch((error: unknown) => {
  console.error(`\nThe show had to be stopped: ${messageOf(error)}`);
  process.exitCode = 1;
});
