import { expect, it } from "vitest";
import type { Peer } from "../../peer/peer.ts";
import { newEpoch } from "../../protocol/ids.ts";
import { describeOnBrokers } from "../support/broker-suites.ts";
import { eventually } from "../support/eventually.ts";
import { failureOf, prepareStage, type Stage } from "./stage.ts";

/** Lets several create at once. @returns who became host, and why the others did not */
async function contend(stage: Stage, homes: string[]) {
  const results = await Promise.allSettled(homes.map((home, index) => stage.create(`peer-${index}`, { home })));
  const hosts = results.flatMap((result) => (result.status === "fulfilled" ? [result.value.peer] : []));
  const losses = results.flatMap((result): unknown[] => (result.status === "rejected" ? [result.reason] : []));
  return { hosts, losses };
}

describeOnBrokers("hazard 3, two that create one network at once", ({ broker }) => {
  for (const { contenders, rounds } of [
    { contenders: 2, rounds: 12 },
    { contenders: 4, rounds: 12 },
  ]) {
    it(`${contenders} contenders, ${rounds} rounds: one host each, and the others are told who [LIFE-1] [LIFE-2] [LIFE-3] [LIFE-4] [LIFE-18]`, {
      timeout: 60_000,
    }, async ({ onTestFinished }) => {
      const stage = await prepareStage(broker(), onTestFinished);
      const homes = await Promise.all(Array.from({ length: contenders }, () => stage.otherHome()));
      for (let round = 0; round < rounds; round += 1) {
        const { hosts, losses } = await contend(stage, homes);
        expect(hosts, `round ${round}`).toHaveLength(1);
        for (const loss of losses) {
          expect(loss).toMatchObject({
            code: "network-exists",
            message: expect.stringMatching(/its host is "peer-\d"/),
          });
        }
        await Promise.all(hosts.map((host: Peer) => host.leave()));
      }
    });
  }

  it("one that comes while another is being born is answered by it, and need not wait for it [LIFE-2]", {
    timeout: 60_000,
  }, async ({ onTestFinished }) => {
    const stage = await prepareStage(broker(), onTestFinished);
    const raw = await stage.raw();
    const [home, other] = [await stage.otherHome(), await stage.otherHome()];
    for (let round = 0; round < 6; round += 1) {
      const mark = raw.received.length;
      const first = stage.create("first", { home });
      // The birth is on the wire before its owner listens to everything.
      await raw.waitFor(({ text }) => text.includes('"online"'), { after: mark });
      const waits: string[] = [];
      const second = failureOf(stage.create("second", { home: other, onWaiting: (reason) => waits.push(reason) }));
      expect(await second).toMatchObject({ code: "network-exists", message: expect.stringContaining('"first"') });
      expect(waits).toEqual([]);
      await (await first).peer.leave();
    }
  });

  it("a smaller claim wins, a larger one is answered with the own claim [LIFE-2] [LIFE-3]", async ({
    onTestFinished,
  }) => {
    const stage = await prepareStage(broker(), onTestFinished);
    const raw = await stage.raw();
    const claims = () =>
      raw.messages(stage.topic("_all", "control")).filter(({ text }) => text.includes('"dev"')).length;
    // An address that is not on the list of loopback ones gives the longer settle time, which a busy machine needs here.
    const losing = failureOf(stage.create("dev", { url: stage.url.replace("127.0.0.1", "0.0.0.0") }));
    await eventually(() => claims() === 1, { everyMs: 2 });
    await raw.publish(stage.topic("_all", "control"), { v: 1, type: "claim", from: "late", epoch: newEpoch(2e12) });
    await eventually(() => claims() === 2, { everyMs: 2 });
    await raw.publish(stage.topic("_all", "control"), { v: 1, type: "claim", from: "early", epoch: newEpoch(1) });
    expect(await losing).toMatchObject({ code: "network-exists", message: expect.stringContaining('"early"') });
    expect(raw.messages(stage.topic("dev", "presence"))).toEqual([]);
  });

  it("a host answers a claim with its birth, for ever after [LIFE-5]", async ({ onTestFinished }) => {
    const stage = await prepareStage(broker(), onTestFinished);
    const raw = await stage.raw();
    const dev = await stage.create("dev");
    const before = raw.received.length;
    await raw.publish(stage.topic("_all", "control"), { v: 1, type: "claim", from: "early", epoch: newEpoch(1) });
    const birth = await raw.waitFor(stage.topic("dev", "presence"), { after: before });
    expect(JSON.parse(birth.text)).toMatchObject({ state: "online", epoch: dev.peer.epoch });
    expect(dev.peer.state).toBe("active");
  });

  it("of two hosts that a split broker left, the larger epoch leaves [LIFE-6]", async ({ onTestFinished }) => {
    const stage = await prepareStage(broker(), onTestFinished);
    const raw = await stage.raw();
    const { proxy, url } = await stage.proxy();
    const older = await stage.create("older", { url });
    proxy.cut();
    await older.until("disconnected");
    // As if the two had met on two halves of a cluster: the newer one does not see the record of the older.
    await raw.waitFor(({ topic, text }) => topic === stage.topic("older", "presence") && text.includes('"lost"'));
    await raw.publish(stage.topic("older", "presence"), "", { retain: true });
    const newer = await stage.create("newer", { home: await stage.otherHome() });
    proxy.heal();
    await newer.until("closed");
    await older.until("connected");
    expect(older.peer.state).toBe("active");
    const left = await raw.waitFor(
      ({ topic, text }) => topic === stage.topic("newer", "presence") && /"left"/.test(text),
    );
    expect(left).toBeDefined();
    expect(older.peer.net < newer.peer.net).toBe(true);
  });
});
