import { expect } from "vitest";
import { stopBroker } from "../../broker/managed.ts";
import { injected, type Stage, type } from "../e2e/stage.ts";
import { eventually } from "../support/eventually.ts";
import type { LiveProcess } from "../support/live-processes.ts";
import type { PiOptions } from "../support/pi-home.ts";

/**
 * Starts two Pis and lets them do what a user does first: create, join, send. At the end nothing of it runs any more.
 *
 * @param stage whose broker may not run yet
 * @param options what both Pis are; the extension is to come from what is tested
 * @returns the process of the broker that the first one started
 */
export async function exchange(stage: Stage, options: Partial<PiOptions>): Promise<LiveProcess> {
  const [dev, prod] = await Promise.all([stage.start("dev", options), stage.start("prod", options)]);
  await type(dev, "/pilink create lab --name dev", 'Created the network "lab"');
  await type(prod, "/pilink join lab --name prod", 'Joined the network "lab"');
  const broker = await brokerProcess(stage);
  await type(dev, "/pilink send prod is the build green?", /prod: (received|injected) \(id/);
  await injected(prod, "is the build green?");
  const { data } = await prod.command({ type: "get_commands" });
  expect(data).toMatchObject({
    commands: expect.arrayContaining([
      expect.objectContaining({ name: "skill:pilink", source: "skill" }),
      expect.objectContaining({ name: "pilink", source: "extension" }),
    ]),
  });
  await Promise.all([dev.stop(), prod.stop()]);
  await stopBroker(stage.broker());
  await eventually(async () => expect(await stage.home().processes()).toEqual([]));
  return broker;
}

/** The process of the stage's managed broker: the only one that carries the broker's argument. */
async function brokerProcess(stage: Stage): Promise<LiveProcess> {
  // A look at all processes of a busy machine can miss one.
  return eventually(async () => {
    const found = (await stage.home().processes()).filter(({ command }) => command.includes('"idleMs":'));
    expect(found).toHaveLength(1);
    return found[0] ?? expect.fail("the broker does not run");
  });
}
