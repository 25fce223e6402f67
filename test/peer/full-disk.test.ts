import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { createNetwork, joinNetwork } from "../../peer/network.ts";
import type { EnterOptions } from "../../peer/peer.ts";
import { takeState } from "../../peer/state.ts";
import { mountSmallDisk, type SmallDisk } from "../../torture/small-disk.ts";
import { startManagedBroker } from "../support/brokers.ts";
import { onCleanup, stopEverything } from "../support/cleanup.ts";

afterAll(stopEverything);

const path = await mkdtemp(join(tmpdir(), "pilink-full-disk-"));
onCleanup(() => rm(path, { recursive: true, force: true }));
const disk = await mountSmallDisk(path);

describe.skipIf(disk === undefined)("a peer whose disk is full", () => {
  it("leaves, and gives up its lock, which needs no space", async () => {
    const { url } = await startManagedBroker();
    const full = requireDisk();
    const options: EnterOptions = {
      network: "lab",
      name: "dev",
      nameChosen: true,
      home: tmpdir(),
      url,
      managed: false,
      folder: "/projects/lab",
    };
    const home = await mkdtemp(join(tmpdir(), "pilink-full-disk-other-"));
    onCleanup(() => rm(home, { recursive: true, force: true }));
    const dev = await createNetwork({ ...options, home });
    const prod = await joinNetwork({ ...options, name: "prod", home: full.path });
    const closed = new Promise((resolve) => prod.events.once("closed", resolve));
    await full.fill();
    await dev.leave();
    await closed;
    await prod.leave();
    await full.empty();
    const folder = join(full.path, "networks", `lab@${new URL(url).hostname}-${new URL(url).port}`, "prod");
    const taken = await takeState(folder, "/projects/lab", "a-later-life");
    expect(taken).toHaveProperty("state");
    if ("state" in taken) await taken.state.lock.release();
  });
});

function requireDisk(): SmallDisk {
  if (disk === undefined) throw new Error("There is no small disk.");
  return disk;
}
