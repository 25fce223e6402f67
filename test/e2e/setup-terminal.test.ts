import { execFileSync } from "node:child_process";
import { chmod, readFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from "vitest";
import { startBroker, stopBroker } from "../../broker/managed.ts";
import { createNetwork } from "../../peer/network.ts";
import type { Peer } from "../../peer/peer.ts";
import { findMosquitto, startMosquitto } from "../support/brokers.ts";
import { stopEverything } from "../support/cleanup.ts";
import { eventually } from "../support/eventually.ts";
import { freePort } from "../support/network.ts";
import { stateFolderOf } from "../support/pi-home.ts";
import { temporaryHome } from "../support/temporary-home.ts";
import { type PiTerminal, startPiTerminal, tmuxInstalled } from "../support/terminal.ts";

// Each test starts several Pis, one after the other, and other files run beside this one.
vi.setConfig({ testTimeout: 60_000 });

const isPossible = tmuxInstalled();
const required = process.env.PILINK_REQUIRE_BROKERS === "1";
const title = "in a terminal";
const keys = { escape: "\u001b", down: "\u001b[B", tab: "\t" };

describe.skipIf(!isPossible && !required)(isPossible ? title : `${title} (skipped: needs tmux)`, () => {
  let home: string;
  let url: string;
  let host: Peer;
  let pi: PiTerminal | undefined;

  beforeAll(async () => {
    home = (await temporaryHome()).path;
    url = `mqtt://127.0.0.1:${await freePort()}`;
    const broker = await startBroker({ home: stateFolderOf(home), url });
    host = await createNetwork({
      network: "lab",
      name: "dev",
      nameChosen: true,
      home: stateFolderOf(home),
      url: broker.url,
      managed: false,
      folder: home,
    });
  });
  afterEach(() => {
    pi?.enter("/quit");
    pi?.close();
    pi = undefined;
  });
  afterAll(async () => {
    await host.leave();
    await stopBroker({ home: stateFolderOf(home), url });
    await stopEverything();
  });

  async function start(name: string, columns: number, args: string[] = []): Promise<PiTerminal> {
    pi = await startPiTerminal({ home, name, columns, args, env: { PILINK_URL: url } });
    return pi;
  }

  it.each([80, 40])("the wizard can be read and used at %i columns", async (columns) => {
    const terminal = await start(`at-${columns}`, columns);
    terminal.enter("/pilink");
    await terminal.untilShown("Another broker…");
    const shown = terminal.screen();
    expect(shown).toContain("→ Join lab (host dev, 1 agent)");
    expect(shown).toContain("Create a network");
    expect(shown).toContain(`Another name than "at-${columns}"…`);
    for (const line of shown.split("\n")) expect(line.length).toBeLessThanOrEqual(columns);
    terminal.type(keys.escape);
    await terminal.untilShown("Nothing was changed.");
    terminal.enter("/pilink setup");
    await terminal.untilShown("→ Join lab");
    terminal.type(keys.down);
    await terminal.untilShown("→ Create a network");
    terminal.enter("");
    await terminal.untilShown(/Name of the new network/);
    terminal.enter("la/b");
    await terminal.untilShown(/is no\s+network\s+name/);
    // What did not fit stands in the line again, to be changed.
    await terminal.untilShown(/^> la\/b/m);
    terminal.press("BSpace");
    await terminal.untilShown(/^> la\/ *$/m);
    terminal.type(keys.escape);
    await terminal.untilShown(/^(?![\s\S]*Name of the new network)[\s\S]*Nothing was changed\./);
    terminal.enter("/pilink setup");
    await terminal.untilShown("→ Join lab");
    terminal.enter("");
    await terminal.untilShown(/Joined the network "lab"/);
  });

  it("a Pi that was started with --pilink is in the network", async () => {
    const terminal = await start("started", 80, ["--pilink", "lab", "--pilink-name", "early"]);
    await terminal.untilShown('Joined the network "lab" as "early"');
    terminal.enter("/pilink send dev here I am");
    await terminal.untilShown(/dev.*(received|injected|seen)/);
  });

  const canAsk = findMosquitto() !== undefined;
  it.skipIf(!canAsk && !required)(
    `the wizard asks for an account, again after a wrong one, and stores none${canAsk ? "" : " (skipped: Mosquitto is not installed)"}`,
    async () => {
      const passwords = join(home, "passwords");
      execFileSync("mosquitto_passwd", ["-b", "-c", passwords, "team", "geheim-42"], { stdio: "ignore" });
      await chmod(passwords, 0o644);
      await chmod(home, 0o755);
      const broker = await startMosquitto({ config: `allow_anonymous false\npassword_file ${passwords}` });
      const terminal = await start("member", 80);
      terminal.enter("/pilink setup");
      await terminal.untilShown("→ Join lab");
      terminal.type(keys.down + keys.down);
      await terminal.untilShown("→ Another broker…");
      terminal.enter("");
      await terminal.untilShown("→ Local");
      terminal.type(keys.down);
      await terminal.untilShown("→ LAN");
      terminal.enter("");
      await terminal.untilShown("Only for trusted networks");
      terminal.enter(broker.url);
      for (const password of ["wrong-42", "geheim-42"]) {
        await terminal.untilShown("User name on the broker");
        terminal.enter("team");
        await terminal.untilShown("Password of team");
        terminal.enter(password);
        if (password !== "wrong-42") break;
        await terminal.untilShown(/refused the user name or password[\s\S]*→ Try again/);
        terminal.enter("");
      }
      await terminal.untilShown("→ Create a network");
      terminal.enter("");
      await terminal.untilShown("Name of the new network");
      terminal.enter("team-lab");
      await terminal.untilShown('Created the network "team-lab"');
      expect(terminal.screen()).not.toMatch(/geheim|wrong-42/);
      const config = await eventually(async () => {
        const held = await readFile(join(stateFolderOf(home), "config.json"), "utf8");
        expect(held).toContain(broker.url);
        return held;
      });
      expect(config).not.toMatch(/geheim|team"/);
    },
  );

  it("completes subcommands, agents and networks, and leaves Enter to a complete line", async () => {
    const terminal = await start("typist", 80);
    terminal.type("/pilink jo");
    await terminal.untilShown("→ join");
    terminal.type(keys.tab);
    await terminal.untilShown(/\/pilink join/);
    // What is known of networks comes from a look at the broker.
    terminal.enter("");
    await terminal.untilShown("Which network?");
    terminal.enter("/pilink setup");
    await terminal.untilShown("→ Join lab");
    terminal.type(keys.escape);
    await terminal.untilShown("Nothing was changed.");
    terminal.type("/pilink join l");
    await terminal.untilShown("→ lab");
    terminal.type(keys.tab);
    await terminal.untilShown("/pilink join lab");
    terminal.enter("");
    await terminal.untilShown('Joined the network "lab"');
    terminal.type("/pilink send d");
    await terminal.untilShown("→ dev");
    terminal.type(keys.tab);
    await terminal.untilShown("/pilink send dev");
    terminal.enter(" done at once");
    await terminal.untilShown(/dev.*(received|injected|seen)/);
  });
});
