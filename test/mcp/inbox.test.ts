import { describe, expect, it } from "vitest";
import { eventually } from "../support/eventually.ts";
import { useStage } from "./stage.ts";

const prepare = useStage();

describe("pilink_inbox", () => {
  it("waits for a message, and gives it out when it comes", async () => {
    const stage = await prepare();
    const dev = await stage.create("dev");
    const claude = await stage.client();
    await claude.call("pilink_agents");
    const waiting = claude.call("pilink_inbox", { wait_seconds: 9_999 });
    // An answer to a later request: the first one is being waited for by then.
    expect(await claude.call("pilink_inbox", { wait_seconds: 0.05 })).toBe("No new message.");
    await dev.peer.send({ to: "claude", body: "at last" });
    expect(await waiting).toContain("\nat last\n");
  });

  it("gives each message to one of several that wait", async () => {
    const stage = await prepare();
    const dev = await stage.create("dev");
    const claude = await stage.client();
    await claude.call("pilink_agents");
    const waiting = [1, 2].map(() => claude.call("pilink_inbox", { wait_seconds: 45 }));
    await dev.peer.send({ to: "claude", body: "first" });
    await Promise.race(waiting);
    await dev.peer.send({ to: "claude", body: "second" });
    const texts = await Promise.all(waiting);
    expect(texts.filter((text) => text.includes("\nfirst\n"))).toHaveLength(1);
    expect(texts.filter((text) => text.includes("\nsecond\n"))).toHaveLength(1);
  });

  it("loses no message to a wait that the client gave up", async () => {
    const stage = await prepare();
    const dev = await stage.create("dev");
    const claude = await stage.client();
    await claude.call("pilink_agents");
    const aborted = new AbortController();
    const waiting = claude.call("pilink_inbox", { wait_seconds: 45 }, aborted.signal);
    aborted.abort();
    await expect(waiting).rejects.toThrow();
    await dev.peer.send({ to: "claude", body: "still here" });
    expect(await claude.call("pilink_inbox")).toContain("\nstill here\n");
  });

  it("gives several together and in order, no more than an answer holds [SESS-14]", async () => {
    const stage = await prepare();
    const dev = await stage.create("dev");
    const claude = await stage.client();
    await claude.call("pilink_agents");
    const bodies = Array.from({ length: 30 }, (_, index) => `${index}:${"x".repeat(3_000)}`);
    for (const body of bodies) await dev.peer.send({ to: "claude", body });
    const given: string[] = [];
    for (let calls = 1; given.length < 30; calls += 1) {
      const text = await claude.call("pilink_inbox");
      expect(text.length).toBeLessThan(60_000);
      if (calls === 1) expect(text).toMatch(/^13 new messages\..*17 more messages wait: call pilink_inbox again\.$/s);
      given.push(...[...text.matchAll(/^(\d+):x+$/gm)].map(([, index = ""]) => index));
    }
    expect(given).toEqual(bodies.map((_, index) => String(index)));
  });

  it("gives a long message in parts, and one again that was given", async () => {
    const stage = await prepare();
    const dev = await stage.create("dev");
    const claude = await stage.client();
    await claude.call("pilink_agents");
    const body = Array.from({ length: 20_000 }, (_, index) => index % 10)
      .join("")
      .repeat(5);
    const [sent] = await dev.peer.send({ to: "claude", body });
    const id = sent?.id ?? "";
    let text = await claude.call("pilink_inbox");
    const parts: string[] = [];
    for (;;) {
      parts.push(/----- begin (\w+) -----\n(\d*)\n----- end \1 -----/.exec(text)?.[2] ?? "");
      const offset = /offset (\d+)\./.exec(text)?.[1];
      if (offset === undefined) break;
      text = await claude.call("pilink_inbox", { id, offset: Number(offset) });
    }
    expect(parts).toHaveLength(3);
    expect(parts.join("")).toBe(body);
    expect(await claude.fail("pilink_inbox", { id, offset: 100_000 })).toContain("past its end");
    expect(await claude.call("pilink_inbox", { id })).toContain("(These are the characters 0 to 40000 of 100000.");
  });

  it("cleans what it gives, and says what is unverified [SESS-2] [SESS-3]", async () => {
    const stage = await prepare();
    await stage.create("dev");
    const claude = await stage.client();
    await claude.call("pilink_agents");
    const raw = await stage.raw();
    await raw.publish(stage.topic("claude", "inbox"), "build\u001b[31m failed\u202e");
    const text = await claude.call("pilink_inbox", { wait_seconds: 40 });
    expect(text).toContain("Unverified message");
    expect(text).toContain("\nbuild failed\n");
  });

  it("holds what went round too often, until the person agrees [SESS-12]", async () => {
    const stage = await prepare();
    const dev = await stage.create("dev");
    const questions: string[] = [];
    const claude = await stage.client({
      onQuestion(message) {
        questions.push(message);
        return questions.length === 1 ? "no" : "yes";
      },
    });
    const silent = await stage.client({ flags: { name: "silent" } });
    for (const client of [claude, silent]) await client.call("pilink_agents");
    const [sent] = await dev.peer.send({ to: ["claude", "silent"], body: "nine", hops: 9 });
    const id = sent?.id ?? "";
    for (const client of [claude, silent]) {
      const text = await client.call("pilink_inbox");
      expect(text).toMatch(/^No new message\.\n\n1 message is held for your user \(from dev\), because agents have/);
      expect(text).not.toContain("nine");
    }
    expect(await claude.fail("pilink_inbox", { id })).toContain("held for your user");
    expect(await silent.fail("pilink_inbox", { held: true })).toContain("This client cannot ask your user.");
    expect(await claude.fail("pilink_inbox", { held: true })).toContain("Your user did not let you read");
    expect(await claude.call("pilink_inbox", { held: true })).toContain("\nnine\n");
    expect(questions).toHaveLength(2);
    expect(await claude.call("pilink_inbox", { held: true })).toBe("No message is held for your user.");
    // The person's word begins a new chain.
    await claude.call("pilink_send", { to: "dev", body: "answer", re: id });
    await eventually(() => expect(dev.peer.inbox()[0]).toMatchObject({ body: "answer", hops: 0 }));
  });

  it("keeps to what its person set for a peer", async () => {
    const stage = await prepare();
    const dev = await stage.create("dev");
    const prod = await stage.join("prod");
    const { network } = stage;
    const claude = await stage.client({
      flags: { deliveries: { [`${network}/dev`]: "block", [`${network}/prod`]: "hold" } },
    });
    await claude.call("pilink_agents");
    const [blocked] = await dev.peer.send({ to: "claude", body: "no way" });
    await eventually(() => expect(dev.peer.sent().find(({ id }) => id === blocked?.id)?.state).toBe("denied"));
    await prod.peer.send({ to: "claude", body: "wait" });
    expect(await claude.call("pilink_inbox")).toMatch(/1 message is held .* because its settings hold/);
  });

  it("gives out what came in a network that has ended since", async () => {
    const stage = await prepare();
    const dev = await stage.create("dev");
    const claude = await stage.client();
    await claude.call("pilink_agents");
    await dev.peer.send({ to: "claude", body: "good bye" });
    await dev.peer.leave();
    await eventually(() => expect(claude.stderr()).toContain(`The network "${stage.network}":`));
    const text = await claude.call("pilink_inbox");
    expect(text).toContain(`1 message came in the network "${stage.network}" before it ended`);
    expect(text).toContain("\ngood bye\n");
    expect(await claude.call("pilink_inbox")).toBe("No new message.");
  });
});
