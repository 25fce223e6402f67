import { execFile } from "node:child_process";
import { chmod, mkdir, readdir, readFile, writeFile } from "node:fs/promises";
import { delimiter, join } from "node:path";
import { promisify } from "node:util";
import { describe, expect, it } from "vitest";
import { exitCodeMeanings } from "../../cli/exit-codes.ts";
import { projectFolder } from "../install/tools.ts";
import { eventually } from "../support/eventually.ts";
import { useShell } from "./shell.ts";

const shell = useShell();
const readme = await readFile(join(projectFolder, "README.md"), "utf8");
const section = /^## From a shell\n.*?(?=^## )/ms.exec(readme)?.[0] ?? "";
const blocks = [...section.matchAll(/```sh\n(.*?)```/gs)].map(([, lines = ""]) => lines);

/** The help of a command, and of those below it. */
async function helpOf(name: string, below: string[]): Promise<string> {
  const pages = await Promise.all(
    [[], ...below.map((word) => [word])].map((words) => shell.does([name, ...words, "--help"])),
  );
  return pages.map(({ stdout }) => stdout).join();
}

describe("README, From a shell", { timeout: 120_000 }, () => {
  it("has examples that work as they stand, one after the other", async () => {
    expect(blocks.length).toBeGreaterThanOrEqual(4);
    const { path } = shell.home();
    const [bin, folder] = [join(path, "bin"), join(path, "readme")];
    await mkdir(bin);
    await mkdir(folder);
    const pilink = join(bin, "pilink");
    await writeFile(pilink, `#!/bin/sh\nexec "${process.execPath}" "${join(projectFolder, "cli/pilink.js")}" "$@"\n`);
    await chmod(pilink, 0o755);
    const env = {
      PATH: [bin, process.env.PATH].join(delimiter),
      HOME: path,
      PILINK_HOME: shell.state(),
      PILINK_URL: shell.url(),
    };
    const outputs: string[] = [];
    for (const block of blocks) {
      // In the folder where there is no repository, "git log" says nothing, and "send" has nothing to send.
      const line = block.replace("git log -3 2>/dev/null", "echo green");
      const { stdout } = await promisify(execFile)("sh", ["-euc", line], { cwd: folder, env, timeout: 60_000 });
      outputs.push(stdout);
    }
    expect(outputs[0]).toContain('Joined the network "lab" as "build"');
    expect(outputs[0]).toContain("is main green?");
    expect(outputs[0]).toContain('"body":"green"');
    expect(outputs[1]).toContain("dev has not answered yet");
    expect(outputs[1]).toMatch(/build → dev {2}seen {2}\(.*\) {2}green\n/);
    expect(outputs[2]).toMatch(
      /"event":"outcome","line":1,"tag":"run-17","outcomes":\[\{"to":"dev","id":"[^"]+","state":"received"\}\]/,
    );
    await eventually(async () => expect(await readFile(join(folder, "notices", "log"), "utf8")).toBe("dev: ring\n"), {
      timeoutMs: 20_000,
    });
    expect((await readdir(join(folder, "notices"))).filter((name) => name.endsWith(".json"))).toHaveLength(1);
  });

  it("lists the exit codes as the program does, and every command", async () => {
    const table = [...section.matchAll(/^\| (\d+) \| (.*?) \|$/gm)].map(([, code, meaning = ""]) => [
      Number(code),
      meaning,
    ]);
    expect(table.map(([code]) => code)).toEqual(Object.keys(exitCodeMeanings).map(Number));
    for (const [code, meaning] of table)
      expect(String(meaning).replace(" (do not send it again)", "")).toBe(
        exitCodeMeanings[Number(code) as keyof typeof exitCodeMeanings],
      );
    const { stdout } = await shell.does(["--help"]);
    for (const [, name = ""] of stdout.matchAll(/^ {2}([a-z]+) \[options\]/gm)) {
      expect(section, name).toContain(`\`pilink ${name}`);
      const help = await helpOf(name, name === "broker" ? ["stop"] : []);
      const row = section
        .split("\n")
        .filter((line) => line.startsWith("| `pilink ") && line.includes(`\`pilink ${name}`))
        .join();
      for (const [, option = ""] of row.matchAll(/(--[a-z-]+)/g)) expect(help, `${name} ${option}`).toContain(option);
    }
  });
});
