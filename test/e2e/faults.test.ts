import { join as joinPath } from "node:path";
import { describe, expect, test } from "vitest";
import type { PiProcess } from "../support/pi-process.ts";
import { bodiesIn, brokerPid, create, injected, join, send, type, useStage } from "./stage.ts";

const here = (agents: number) => (text: string | undefined) => text?.endsWith(`· ${agents} agents`) ?? false;

describe("what is killed or frozen", () => {
  const stage = useStage();

  test("the host: all members are told, and the same network can be created anew [END-6] [DEL-16]", async () => {
    const { dev, prod } = await stage.pair("lab");
    const qa = await stage.start("qa");
    await join(qa, "lab");
    const toAll = await type(dev, "/pilink send all good morning", "prod: ");
    expect(toAll.message).toMatch(/qa: (received|injected) \(id/);
    await Promise.all([injected(prod, "good morning"), injected(qa, "good morning")]);

    await dev.kill();
    for (const pi of [prod, qa]) {
      const { message, type: kind } = await pi.nextNotification("This network is no longer available.");
      expect(kind).toBe("warning");
      expect(message).toMatch(/Run \/pilink setup to start or join a new network\..*"lab"/);
    }
    await create(prod, "lab");
    await join(qa, "lab");
    const again = await stage.start("dev");
    await join(again, "lab");
    await send(again, "prod", "in the new one");
    await injected(prod, "in the new one");
    // Nothing of the former instance has come along.
    expect(bodiesIn(await stage.ask(again, "anything?"))).toEqual([]);
  });

  test("a member: what is sent to it meanwhile arrives once after its restart [END-11] [DEL-1] [DEL-4] [DEL-6]", async () => {
    const { dev, prod } = await stage.pair("lab");
    await prod.kill();
    const lost = await dev.nextNotification('"prod" in the network "lab" has lost its connection');
    expect(lost).toMatchObject({ type: "warning" });
    expect(lost.message).toMatch(/lost its connection.*may return/);
    const queued = await type(dev, "/pilink send prod while you were away", "prod: queued");
    expect(queued.message).toContain("do not send again, it will be delivered");
    expect((await type(dev, "/pilink status", "1 on their way")).message).toContain('"lab": active');

    const since = dev.mark();
    const again = await stage.start("prod");
    await join(again, "lab");
    await dev.nextNotification('"prod" is back in the network "lab".', { since });
    await injected(again, "while you were away");
    await send(dev, "prod", "now you are back");
    await injected(again, "now you are back");
    const said = dev.records.slice(since).map(({ message }) => String(message));
    expect(said.filter((text) => /left the network|joined the network/.test(text))).toEqual([]);
    expect(bodiesIn(await stage.ask(again, "what came?"))).toEqual(["while you were away", "now you are back"]);
    expect((await type(dev, "/pilink status", "0 on their way")).type).toBe("info");
  });

  test("the broker: the peers start it again, and nobody takes it for an end [MQTT-7] [END-4]", async () => {
    const { dev, prod } = await stage.pair("lab");
    await dev.waitForStatus("pilink", here(2));
    const killed = await brokerPid(stage);
    const marks = [dev.mark(), prod.mark()];
    process.kill(killed, "SIGKILL");
    for (const pi of [dev, prod]) await pi.waitForStatus("pilink", (text) => text?.includes("offline") ?? false);
    for (const pi of [dev, prod]) await pi.waitForStatus("pilink", here(2), 15_000);
    expect(await brokerPid(stage)).not.toBe(killed);
    await type(dev, "/pilink send prod over the new broker", /prod: \w+ \(id/);
    await injected(prod, "over the new broker");
    await send(prod, "dev", "the other way");
    await injected(dev, "the other way");
    for (const [index, pi] of [dev, prod].entries()) {
      const said = pi.records.slice(marks[index]).map(({ message }) => String(message));
      expect(said.filter((text) => /no longer available|left the network/.test(text))).toEqual([]);
    }
  });

  test("a message that is sent while the broker is away is delivered when it is back [DEL-1] [DEL-6]", async () => {
    const { dev, prod } = await stage.pair("lab");
    process.kill(await brokerPid(stage), "SIGSTOP");
    const pid = await brokerPid(stage);
    const sending = type(dev, "/pilink send prod into the silence", /prod: \w+ \(id/);
    process.kill(pid, "SIGKILL");
    expect((await sending).message).not.toMatch(/refused|expired|denied/);
    await injected(prod, "into the silence");
    await dev.waitForStatus("pilink", here(2), 15_000);
    expect(bodiesIn(await stage.ask(prod, "what came?"))).toEqual(["into the silence"]);
  });
});

describe("a host that is stopped for a while", () => {
  const stage = useStage({ PILINK_KEEPALIVE_MS: "1000" });

  test("suspends its network and resumes it [END-1] [END-3] [END-4]", async () => {
    const { dev, prod } = await stage.pair("lab");
    dev.signal("SIGSTOP");
    const offline = await prod.nextNotification("Network host is offline");
    expect(offline).toMatchObject({ type: "warning" });
    expect(offline.message).toMatch(/"dev".*"lab"/);
    const refused = await type(prod, "/pilink send dev too early", /sent|offline/);
    expect(refused).toMatchObject({ type: "error" });
    expect(refused.message).toMatch(/Nothing was sent: .*host is offline \("dev" of the network "lab"\)/);
    await prod.waitForStatus("pilink", (text) => text?.includes("suspended") ?? false);
    const since = prod.mark();
    dev.signal("SIGCONT");
    expect((await prod.nextNotification("is back")).message).toContain('"dev"');
    await send(prod, "dev", "welcome back");
    await injected(dev, "welcome back");
    await send(dev, "prod", "what did I miss?");
    await injected(prod, "what did I miss?");
    const said = prod.records.slice(since).map(({ message }) => String(message));
    expect(said.filter((text) => text.includes("is back"))).toHaveLength(1);
    expect(said.filter((text) => text.includes("joined the network"))).toEqual([]);
  });
});

describe("names and networks that are taken", () => {
  const stage = useStage();

  test("a name of somebody's choice is refused with an offer, one made up gets a number [LIFE-10] [LIFE-11] [LIFE-12] [LIFE-13] [NAME-6]", async () => {
    const { dev, prod } = await stage.pair("lab");
    const elsewhere = await stage.start("third", { cwd: joinPath(stage.home().path, "elsewhere", "prod") });
    const refused = await type(elsewhere, "/pilink join lab --name prod", "prod-2");
    expect(refused).toMatchObject({ type: "error" });
    expect(refused.message).toMatch(/"prod".*"lab".*prod-2/s);
    expect((await type(elsewhere, "/pilink join lab", "Joined")).message).toMatch(/as "prod-2".*"prod" is taken/s);

    // The usual case of two terminals in one folder.
    const sameFolder = await stage.start("fourth", { cwd: prod.cwd });
    expect((await type(sameFolder, "/pilink join lab", "Joined")).message).toContain('as "prod-3"');
    await send(dev, "prod,prod-2,prod-3", "to each of you");
    await Promise.all([prod, elsewhere, sameFolder].map((pi) => injected(pi, "to each of you")));
    expect((await type(dev, "/pilink agents", "4 agents")).message).toMatch(/prod-2[\s\S]*prod-3/);
  });

  test("of two that create the same network at once one becomes host, the other learns who it is [LIFE-2] [LIFE-4]", async () => {
    const [one, other] = await Promise.all([stage.start("one"), stage.start("other")]);
    // The broker is there already: both ask at the same moment.
    await type(one, "/pilink server start", "managed broker");
    for (const network of ["race-1", "race-2", "race-3"]) {
      const answers = await Promise.all(
        [one, other].map((pi) => type(pi, `/pilink create ${network} --name ${pi.name}`, `"${network}"`)),
      );
      const [winner, loser] = order(one, other, answers[0]?.type === "info");
      expect(answers.map(({ type: kind }) => kind).sort()).toEqual(["error", "info"]);
      const error = answers.find(({ type: kind }) => kind === "error")?.message ?? "";
      expect(error).toContain(`"${winner.name}"`);
      expect(error).toContain(`/pilink join ${network}`);
      await join(loser, network);
      await send(loser, winner.name, `hello in ${network}`);
      await type(loser, "/pilink leave", "left");
      await type(winner, "/pilink leave", "left");
    }
  });

  test("a network that lives is not created again, one that is not there not joined [LIFE-9]", async () => {
    const { prod } = await stage.pair("lab");
    const qa = await stage.start("qa");
    const exists = await type(qa, "/pilink create lab", '"lab"');
    expect(exists).toMatchObject({ type: "error" });
    expect(exists.message).toMatch(/"dev".*\/pilink join lab/s);
    const missing = await type(qa, "/pilink join lba", '"lba"');
    expect(missing).toMatchObject({ type: "error" });
    expect(missing.message).toContain("/pilink create lba");
    expect((await type(qa, "/pilink agents", "no network")).type).toBe("error");
    expect((await type(prod, "/pilink agents", "2 agents")).message).not.toContain("qa");
  });
});

function order(one: PiProcess, other: PiProcess, firstWon: boolean): [PiProcess, PiProcess] {
  return firstWon ? [one, other] : [other, one];
}
