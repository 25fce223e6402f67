// npm run bench -- --help
import { parseArgs } from "node:util";
import { z } from "zod";
import { messageOf } from "../protocol/errors.ts";
import { stopEverything } from "../test/support/cleanup.ts";
import type { Figure } from "./figure.ts";
import { judge } from "./goal.ts";
import { describeMachine, machineLines } from "./machine.ts";
import { formatFigures, formatStandings, writeRun } from "./report.ts";
import { scenes } from "./scenes.ts";

const usage = `npm run bench [-- OPTIONS]

Measures PI//LINK beside bare parts, in one run on this machine, and prints a table.
  --only SCENE,SCENE   only these scenes
  --rounds N           how many rounds of each (3 unless given)
  --quick              one short round of each: shows that everything works
  --json FILE          writes everything that was measured to FILE
  --help

Scenes
${scenes.map(({ name, title }) => `  ${name.padEnd(12)} ${title}`).join("\n")}`;

const argumentsSchema = z.object({
  only: z.string().optional(),
  rounds: z.coerce.number().int().min(1).max(100).optional(),
  quick: z.boolean().default(false),
  json: z.string().optional(),
  help: z.boolean().default(false),
});

async function main(): Promise<void> {
  const text = { type: "string" } as const;
  const flag = { type: "boolean" } as const;
  const { values } = parseArgs({
    options: { only: text, rounds: text, quick: flag, json: text, help: { ...flag, short: "h" } },
  });
  const wanted = argumentsSchema.parse(values);
  if (wanted.help) {
    console.log(usage);
    return;
  }
  const chosen = pickScenes(wanted.only);
  const isQuick = wanted.quick;
  const rounds = wanted.rounds ?? (isQuick ? 1 : 3);
  const machine = await describeMachine();
  for (const line of machineLines(machine)) console.log(line);
  const at = new Date().toISOString();
  const beganMs = performance.now();
  const figures: Figure[] = [];
  for (const scene of chosen) {
    const sceneBeganMs = performance.now();
    console.log(`\n${scene.name}: ${scene.title}`);
    try {
      const found = await scene.measure({ rounds, isQuick, say: (line) => console.log(`  ${line}`) });
      figures.push(...found);
      console.log(formatFigures(found).join("\n"));
    } finally {
      await stopEverything();
    }
    console.log(`  (${((performance.now() - sceneBeganMs) / 1000).toFixed(1)} s)`);
  }
  const standings = chosen.flatMap((scene) => scene.goals ?? []).map((goal) => judge(goal, figures));
  const run = { at, tookMs: performance.now() - beganMs, isQuick, machine, figures, standings };
  console.log(`\n${formatStandings(standings).join("\n")}`);
  if (isQuick) console.log("A quick run shows that everything works; its figures mean little.");
  if (wanted.json !== undefined) await writeRun(wanted.json, run);
}

function pickScenes(only: string | undefined) {
  if (only === undefined) return scenes;
  return only.split(",").map((name) => {
    const scene = scenes.find((candidate) => candidate.name === name);
    if (scene !== undefined) return scene;
    throw new Error(`There is no scene "${name}". There are: ${scenes.map((known) => known.name).join(", ")}.`);
  });
}

// Somebody who ends it early must not be left with brokers and peers.
for (const signal of ["SIGINT", "SIGTERM"] as const) {
  // Twice: what was being started while the rest was ended is noted only then.
  process.once(
    signal,
    () =>
      void stopEverything()
        .then(stopEverything)
        .finally(() => process.exit(1)),
  );
}
try {
  await main();
} catch (error) {
  console.error(`\nThe bench had to be stopped: ${messageOf(error)}`);
  process.exitCode = 1;
} finally {
  await stopEverything();
}
