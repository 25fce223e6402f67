import { expect, it } from "vitest";
import { describeOnBrokers } from "../support/broker-suites.ts";
import { failureOf, isSent, prepareStage } from "./stage.ts";

describeOnBrokers("a create that is refused", ({ broker }) => {
  it("leaves what the agent has of that network as it was [LIFE-2]", { timeout: 40_000 }, async ({
    onTestFinished,
  }) => {
    const stage = await prepareStage(broker(), onTestFinished);
    const dev = await stage.create("dev");
    const prod = await stage.join("prod");
    const [outcome] = await dev.peer.send({ to: "prod", body: "keep me" });
    const [own] = await prod.peer.send({ to: "dev", body: "read me" });
    await prod.peer.leave();
    await dev.until("departed");
    expect((await failureOf(stage.create("prod"))).code).toBe("network-exists");
    const again = await stage.join("prod");
    expect(again.bodies()).toEqual(["keep me"]);
    expect(again.peer.sent()).toMatchObject([{ id: own?.id, state: "received" }]);
    // What is said of it later still finds it.
    dev.peer.markSeen([own?.id ?? ""]);
    await again.until(isSent(own?.id ?? "", "seen"));
    expect(again.peer.status().rejected).toEqual({});
    again.peer.markSeen([outcome?.id ?? ""]);
    await dev.until(isSent(outcome?.id ?? "", "seen"));
  });
});
