import { expect, it } from "vitest";
import { describeOnBrokers } from "../support/broker-suites.ts";
import { isSent, prepareStage } from "./stage.ts";

const slow = { timeout: 40_000 };

describeOnBrokers("what a receiver says of messages", ({ broker }) => {
  it.concurrent(
    "reaches the sender also where the connection was away when it was said [DEL-21]",
    slow,
    async ({ onTestFinished }) => {
      const stage = await prepareStage(broker(), onTestFinished);
      const { proxy, url } = await stage.proxy();
      const dev = await stage.create("dev");
      const prod = await stage.join("prod", { url });
      const [outcome] = await dev.peer.send({ to: "prod", body: "read me" });
      const id = outcome?.id ?? "";
      expect(outcome?.state).toBe("received");
      proxy.cut();
      await prod.until("disconnected");
      prod.peer.markInjected([id], "session-1");
      prod.peer.markSeen([id]);
      expect(dev.peer.sent()).toMatchObject([{ id, state: "received" }]);
      proxy.heal();
      await dev.until(isSent(id, "seen"), 20_000);
    },
  );

  it.concurrent(
    "is denied for a sender that is blocked, and later messages wait for none of them [DEL-20]",
    slow,
    async ({ onTestFinished }) => {
      const stage = await prepareStage(broker(), onTestFinished);
      let blocked = "dev";
      const dev = await stage.create("dev");
      const prod = await stage.join("prod", { isBlocked: (from) => from === blocked });
      const [first] = await dev.peer.send({ to: "prod", body: "one" });
      expect(first).toMatchObject({ state: "denied", reason: expect.stringContaining("takes no messages") });
      // Two at once: both are denied although the second one states that the first is still open.
      const [second, third] = await Promise.all(["two", "three"].map((body) => dev.peer.send({ to: "prod", body })));
      expect([second?.[0]?.state, third?.[0]?.state]).toEqual(["denied", "denied"]);
      blocked = "nobody";
      const [fourth] = await dev.peer.send({ to: "prod", body: "four" });
      expect(fourth?.state).toBe("received");
      await prod.until(({ name }) => name === "message", 5_000);
      expect(prod.bodies()).toEqual(["four"]);
    },
  );
});
