import { execFileSync, spawnSync } from "node:child_process";
import { chmod } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { findMosquitto, startMosquitto } from "../support/brokers.ts";
import { stopEverything } from "../support/cleanup.ts";
import { temporaryHome } from "../support/temporary-home.ts";
import { startPiTerminal, tmuxInstalled } from "../support/terminal.ts";

const isPossible = tmuxInstalled() && findMosquitto() !== undefined;
const required = process.env.PILINK_REQUIRE_BROKERS === "1";
const title = "the account of a broker";

describe.skipIf(!isPossible && !required)(isPossible ? title : `${title} (skipped: needs tmux and mosquitto)`, () => {
  afterAll(stopEverything);

  it("is asked for in the terminal, and the password is neither shown nor stored [ERR-3]", async () => {
    const { path: home } = await temporaryHome();
    const passwords = join(home, "passwords");
    execFileSync("mosquitto_passwd", ["-b", "-c", passwords, "team", "geheim-42"], { stdio: "ignore" });
    await chmod(passwords, 0o644);
    await chmod(home, 0o755);
    const broker = await startMosquitto({ config: ["allow_anonymous false", `password_file ${passwords}`].join("\n") });
    const dev = await startPiTerminal({ home, name: "dev" });
    dev.enter(`/pilink create lab --name dev --url ${broker.url}`);
    await dev.untilShown("User name on the broker");
    dev.enter("team");
    await dev.untilShown("Password of team");
    dev.type("geheim-42");
    await dev.untilShown("•••••••••");
    expect(dev.screen()).not.toContain("geheim");
    dev.enter("");
    await dev.untilShown('Created the network "lab"');
    expect(dev.screen()).not.toContain("geheim");
    // grep ends with 1 where nothing was found, with 2 where it could not look.
    expect(spawnSync("grep", ["-r", "geheim", join(home, "pilink")]).status).toBe(1);
    dev.enter("/quit");
    dev.close();
  });
});
