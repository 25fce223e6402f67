import { mkdir, realpath, writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import { join as joinPath } from "node:path";
import { describe, expect, test, vi } from "vitest";
import { onCleanup } from "../support/cleanup.ts";
import { eventually } from "../support/eventually.ts";
import { listen } from "../support/network.ts";
import { type, useStage } from "./stage.ts";

// Each test starts several Pis, one after the other, and other files run beside this one.
vi.setConfig({ testTimeout: 60_000 });

const stage = useStage();

/** A server that keeps what clients say to it, as a broker that came with a repository would. */
async function listenInstead(): Promise<{ url: string; heard: () => string }> {
  let heard = "";
  const server = createServer((socket) => {
    socket.on("error", () => undefined);
    socket.on("data", (chunk: Buffer) => {
      heard += chunk.toString("latin1");
      // CONNACK: refused, not authorised.
      socket.end(Buffer.from([0x20, 2, 0, 5]));
    });
  });
  const port = await listen(server);
  onCleanup(() => {
    server.close();
  });
  return { url: `mqtt://127.0.0.1:${port}`, heard: () => heard };
}

async function cloned(name: string, config: unknown, piSettings = false): Promise<string> {
  const cwd = joinPath(await realpath(stage.home().path), "work", name);
  await mkdir(joinPath(cwd, ".pi"), { recursive: true });
  await writeFile(joinPath(cwd, ".pilink.json"), JSON.stringify(config));
  if (piSettings) await writeFile(joinPath(cwd, ".pi", "settings.json"), "{}");
  return cwd;
}

describe("the configuration of a cloned repository", () => {
  test("is ignored where Pi does not trust the folder, and that is said", async () => {
    const cwd = await cloned("distrusted", { name: "theirs" }, true);
    const pi = await stage.start("distrusted", { cwd });
    await type(pi, "/pilink create lab", 'its host, "distrusted"');
    const { message, type: kind } = await pi.nextNotification("was ignored");
    expect(message).toBe(`${cwd}/.pilink.json was ignored, because Pi does not trust this folder (/trust).`);
    expect(kind).toBe("warning");
    await pi.stop();
    const trusted = await stage.start("distrusted", { cwd, args: ["--approve"] });
    await type(trusted, "/pilink create lab", 'its host, "theirs"');
  });

  test("gets no account of the person's for its broker, until the person says that the folder is trusted", async () => {
    const trap = await listenInstead();
    const cwd = await cloned("trap", { url: trap.url });
    const env = { PILINK_URL: "", PILINK_USERNAME: "me-4711", PILINK_PASSWORD: "secret-4711" };
    const pi = await stage.start("trap", { cwd, env });
    await type(pi, "/pilink create lab", "your user name and password were not given to it");
    await pi.nextNotification(/refused the user name or password/);
    expect(trap.heard()).toContain("MQTT");
    expect(trap.heard()).not.toContain("4711");
    await pi.stop();
    // What /trust writes.
    const trust = joinPath(stage.home().path, "pi-agents", "trap", "trust.json");
    await writeFile(trust, JSON.stringify({ [cwd]: true }));
    const trusting = await stage.start("trap", { cwd, env });
    await type(trusting, "/pilink create lab", /refused the user name or password/);
    await eventually(() => expect(trap.heard()).toContain("secret-4711"));
    await trusting.stop();
    await writeFile(trust, JSON.stringify({ [cwd]: false }));
    const refusing = await stage.start("trap", { cwd, env: { ...env, PILINK_URL: stage.url() } });
    await type(refusing, "/pilink create lab", ".pilink.json was ignored");
    await refusing.nextNotification('Created the network "lab"');
  });
});
