import { readFile, writeFile } from "node:fs/promises";
import { stopBroker } from "../broker/managed.ts";
import { messageOf } from "../protocol/errors.ts";
import { stopEverything } from "../test/support/cleanup.ts";
import { stateFolderOf } from "../test/support/pi-home.ts";
import { startScriptedModel } from "../test/support/scripted-model.ts";
import { temporaryHome } from "../test/support/temporary-home.ts";
import { type PiTerminal, startPiTerminal, tmuxInstalled } from "../test/support/terminal.ts";
import { playProd, question } from "./models.ts";
import { replaceCapture } from "./readme.ts";

const readme = new URL("../README.md", import.meta.url);
const size = { columns: 72, rows: 60 } as const;

/** Lets two real Pis talk to each other in terminals, and writes what they show into the README. */
async function main(): Promise<void> {
  if (!tmuxInstalled()) throw new Error("This needs tmux: install it, then run npm run capture again.");
  const { path: home } = await temporaryHome();
  const model = await startScriptedModel();
  model.script("model-of-prod", playProd);
  try {
    const [dev, prod] = await Promise.all([
      startPiTerminal({ home, name: "dev", model, modelId: "model-of-dev", ...size }),
      startPiTerminal({ home, name: "prod", model, modelId: "model-of-prod", ...size }),
    ]);
    dev.enter("/pilink create lab --name dev --role backend");
    await dev.untilShown('Created the network "lab"', 30_000);
    prod.enter("/pilink join lab --name prod --role reviewer");
    await prod.untilShown('Joined the network "lab"', 30_000);
    await dev.untilShown("joined the network", 30_000);
    dev.enter(`/pilink send prod ${question}`);
    await prod.untilShown(question, 30_000);
    prod.enter("/pilink go");
    await dev.untilShown("◉ answered", 30_000);
    await dev.untilShown("← prod", 30_000);
    await prod.untilShown("Answered.", 30_000);
    await prod.untilShown("in its session", 30_000);
    const capture = { dev: cut(dev, "Created the network"), prod: cut(prod, "Joined the network") };
    await writeFile(readme, replaceCapture(await readFile(readme, "utf8"), capture));
    for (const pi of [prod, dev]) {
      pi.enter("/quit");
      pi.close();
    }
    console.log(`${capture.dev}\n\n${capture.prod}\n\nThis is in README.md now.`);
  } finally {
    await stopBroker({ home: stateFolderOf(home), url: undefined });
    await stopEverything();
  }
}

/** The screen from the line on that holds a text: what stands above it is Pi's own greeting. */
function cut(pi: PiTerminal, from: string): string {
  const lines = pi
    .screen()
    .trimEnd()
    .split("\n")
    .map((line) => line.trimEnd());
  return (
    lines
      .slice(lines.findIndex((line) => line.includes(from)))
      // Two empty lines are one with a background and one without.
      .filter((line, index, all) => line !== "" || all[index - 1] !== "")
      .join("\n")
      // Where something else listens on 1883, the managed broker has another port; on a reader's machine it has not.
      .replaceAll(/(mosquitto_sub -h 127\.0\.0\.1 -p )\d+/g, "$11883")
  );
}

main().catch((error: unknown) => {
  console.error(`Nothing was written: ${messageOf(error)}`);
  process.exitCode = 1;
});
