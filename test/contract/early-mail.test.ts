import { expect, it } from "vitest";
import { describeOnBrokers } from "../support/broker-suites.ts";
import { eventually } from "../support/eventually.ts";
import { prepareStage } from "./stage.ts";

describeOnBrokers("mail that waited at the broker", ({ broker }) => {
  it("is verified although it comes before the records of who is here [INBOX-7]", { timeout: 40_000 }, async ({
    onTestFinished,
  }) => {
    const stage = await prepareStage(broker(), onTestFinished);
    const dev = await stage.create("dev");
    const prod = await stage.process();
    await prod.join(stage.processOptions("prod"));
    prod.freeze();
    // Its session takes the messages in, and it never reads them.
    const sending = ["one", "two"].map((body) => dev.peer.send({ to: "prod", body, waitMs: 100 }));
    expect((await Promise.all(sending)).flat().map(({ state }) => state)).toEqual(["sent", "sent"]);
    await prod.kill();
    await dev.until("lost");
    const again = await stage.join("prod");
    expect(again.peer.inbox().every(({ verified }) => verified)).toBe(true);
    await eventually(() => again.bodies().length === 2);
    expect(again.peer.inbox().map(({ body, verified }) => [body, verified])).toEqual([
      ["one", true],
      ["two", true],
    ]);
  });
});
