import { describe, expect, it } from "vitest";
import { eventually } from "../support/eventually.ts";
import type { Era } from "./client.ts";
import { useStage } from "./stage.ts";

const prepare = useStage();

describe.each<Era>(["2025", "2026"])("the tools for a client of MCP %s", (era) => {
  it("tell who is here, send, and give out what comes, once", async () => {
    const stage = await prepare();
    const dev = await stage.create("dev", { role: "backend", about: "the shop" });
    const claude = await stage.client({ era });
    const { tools } = await claude.client.listTools();
    expect(tools.map(({ name }) => name)).toEqual(["pilink_agents", "pilink_send", "pilink_inbox"]);
    expect(claude.client.getInstructions()).toMatch(/^PI\/\/LINK: .*pilink_inbox/s);

    const agents = await claude.call("pilink_agents");
    expect(agents).toContain(`You are "claude" in the network "${stage.network}". 1 other agent is here:`);
    expect(agents).toContain("- dev (host) — backend");
    // What the network is about is told once.
    expect(agents).toMatch(/----- begin (\w+) -----\nthe shop\n----- end \1 -----/);

    const sent = await claude.call("pilink_send", { to: "dev", body: "is the build green?" });
    expect(sent).toMatch(/^dev: received \(id [\w-]+\)\.$/);
    await eventually(() => expect(dev.bodies()).toEqual(["is the build green?"]));
    const question = dev.peer.inbox()[0];
    expect(question).toMatchObject({ from: "claude", verified: true, hops: 0 });

    expect(await claude.call("pilink_inbox")).toBe("No new message.");
    await dev.peer.send({ to: "claude", body: "yes, since noon", re: question?.id ?? "" });
    const inbox = await claude.call("pilink_inbox");
    expect(inbox).toMatch(/^1 new message\.\n\n\[PI\/\/LINK\] Message from the agent "dev"/);
    expect(inbox).toContain(`It answers message ${question?.id}.`);
    expect(inbox).toMatch(/----- begin (\w+) -----\nyes, since noon\n----- end \1 -----/);
    expect(await claude.call("pilink_inbox")).toBe("No new message.");
    await eventually(() => expect(dev.peer.sent()[0]?.state).toBe("seen"));
    const states = dev.told.flatMap((told) => (told.name === "sent" ? [told.value.state] : []));
    expect(states).toContain("injected");
  });

  it("ask the person by elicitation before a secret goes [SESS-11]", async () => {
    const stage = await prepare();
    const dev = await stage.create("dev");
    const said: string[] = [];
    const answers = ["no", "away", "yes"] as const;
    const claude = await stage.client({
      era,
      onQuestion(message) {
        said.push(message);
        return answers[said.length - 1] ?? "no";
      },
    });
    const body = "the token is ghp_16C7e42F292c6912E7710c838347Ae178B4a";
    for (const _ of ["no", "away"]) {
      expect(await claude.fail("pilink_send", { to: "dev", body })).toContain("Your user did not let this message");
    }
    expect(await claude.call("pilink_send", { to: "dev", body })).toContain("dev: received");
    expect(said).toHaveLength(3);
    expect(said[0]).toMatch(/Let the model send this to "dev"\?\n\nIt holds what looks like a secret/);
    expect(dev.bodies()).toEqual([body]);
  });

  it("announce changes of the resources to who wants to know", async () => {
    const stage = await prepare();
    const dev = await stage.create("dev");
    const claude = await stage.client({ era });
    const { resources } = await claude.client.listResources();
    expect(resources.map(({ uri }) => uri)).toEqual(["pilink://roster", "pilink://inbox"]);
    await claude.call("pilink_agents");
    const updated: string[] = [];
    claude.client.setNotificationHandler("notifications/resources/updated", ({ params }) => {
      updated.push(params.uri);
    });
    if (era === "2025") {
      for (const { uri } of resources) await claude.client.subscribeResource({ uri });
      await expect(claude.client.subscribeResource({ uri: "pilink://nothing" })).rejects.toThrow();
    } else {
      await claude.client.listen({ resourceSubscriptions: resources.map(({ uri }) => uri) });
    }
    await dev.peer.send({ to: "claude", body: "look" });
    await eventually(() => expect(updated).toContain("pilink://inbox"));
    await stage.join("prod", { role: "tests\u001b[31m" });
    await eventually(() => expect(updated).toContain("pilink://roster"));

    const read = async (uri: string) => {
      const [content] = (await claude.client.readResource({ uri })).contents;
      return content !== undefined && "text" in content ? content.text : "";
    };
    expect(JSON.parse(await read("pilink://roster"))).toMatchObject({
      network: stage.network,
      state: "active",
      agents: [
        { name: "dev", isHost: true },
        { name: "claude", isSelf: true },
        { name: "prod", role: "tests" },
      ],
    });
    // Reading takes nothing.
    for (const _ of [1, 2]) expect(await read("pilink://inbox")).toMatch(/^1 unread\.\n\n\[PI\/\/LINK\].*\nlook\n/s);
    expect(await claude.call("pilink_inbox")).toContain("\nlook\n");
    expect(await read("pilink://inbox")).toBe("No unread message.");
  });
});

describe("pilink_send", () => {
  it("takes one name, a list, a list in one text, and all", async () => {
    const stage = await prepare();
    const players = [await stage.create("dev"), await stage.join("prod")];
    const claude = await stage.client();
    await claude.call("pilink_send", { to: ["dev", "prod"], body: "one" });
    await claude.call("pilink_send", { to: "dev, prod", body: "two" });
    const all = await claude.call("pilink_send", { to: "all", body: "three" });
    expect(all.split("\n").map((line) => line.split(" (")[0])).toEqual(["dev: received", "prod: received"]);
    for (const player of players) expect(player.bodies()).toEqual(["one", "two", "three"]);
  });

  it("says of each receiver what became of it, and fails only where all refused", async () => {
    const stage = await prepare();
    await stage.create("dev");
    const claude = await stage.client();
    const mixed = await claude.call("pilink_send", { to: ["dev", "nobody"], body: "hello" });
    expect(mixed).toMatch(/dev: received.*\nnobody: refused\. .*nobody/s);
    expect(await claude.fail("pilink_send", { to: "claude", body: "me" })).toContain("claude: refused.");
    expect(await claude.fail("pilink_send", { to: "nobody", body: "hello" })).toContain("nobody: refused.");
    expect(await claude.fail("pilink_send", { to: " , ", body: "hello" })).toContain("No receiver was named");
    expect(await claude.fail("pilink_send", { to: "dev", body: "x".repeat(1_100_000) })).toContain("1 MiB");
  });

  it("refuses the same text again, and a secret where nobody can be asked [SESS-13] [SESS-11]", async () => {
    const stage = await prepare();
    const dev = await stage.create("dev");
    const claude = await stage.client();
    await claude.call("pilink_send", { to: "dev", body: "ping" });
    expect(await claude.fail("pilink_send", { to: "dev", body: "ping" })).toContain("The same text was sent");
    const secret = "the token is ghp_16C7e42F292c6912E7710c838347Ae178B4a";
    const refused = await claude.fail("pilink_send", { to: "dev", body: secret });
    expect(refused).toContain("Leave that out; nobody can be asked in this session.");
    expect(refused).not.toContain("ghp_");
    expect(dev.bodies()).toEqual(["ping"]);
  });

  it("carries on the chain of what was taken in, and stops it at the limit [SESS-10] [SESS-11]", async () => {
    const stage = await prepare();
    const dev = await stage.create("dev");
    const claude = await stage.client();
    await claude.call("pilink_agents");
    const [sent] = await dev.peer.send({ to: "claude", body: "seven", hops: 7, trace: "t7" });
    await claude.call("pilink_inbox");
    await claude.call("pilink_send", { to: "dev", body: "eight", re: sent?.id });
    await eventually(() => expect(dev.peer.inbox()[0]).toMatchObject({ hops: 8, trace: "t7" }));
    await dev.peer.send({ to: "claude", body: "nothing new", hops: 8, trace: "t7" });
    await claude.call("pilink_inbox");
    expect(await claude.fail("pilink_send", { to: "dev", body: "nine" })).toContain("End here; nobody can be asked");
    expect(dev.bodies()).toEqual(["eight"]);
  });

  it("goes on over the limit with the person's word, and asks no second time after a no [SESS-11]", async () => {
    const stage = await prepare();
    const dev = await stage.create("dev");
    let questions = 0;
    let said: "yes" | "no" = "no";
    const claude = await stage.client({
      onQuestion() {
        questions += 1;
        return said;
      },
    });
    await claude.call("pilink_agents");
    await dev.peer.send({ to: "claude", body: "round and round", hops: 8 });
    await claude.call("pilink_inbox");
    for (const body of ["one", "two"]) {
      expect(await claude.fail("pilink_send", { to: "dev", body })).toContain("Your user did not let");
    }
    expect(questions).toBe(1);
    said = "yes";
    const other = await stage.client({ flags: { name: "other" }, onQuestion: () => said });
    await other.call("pilink_agents");
    await dev.peer.send({ to: "other", body: "round and round", hops: 8 });
    await other.call("pilink_inbox");
    await other.call("pilink_send", { to: "dev", body: "go on" });
    await eventually(() => expect(dev.peer.inbox()[0]).toMatchObject({ body: "go on", hops: 0 }));
  });
});

describe("bad arguments", () => {
  const bad: [string, Record<string, unknown>, RegExp][] = [
    ["pilink_send", {}, /to/],
    ["pilink_send", { to: "dev" }, /body/],
    ["pilink_send", { to: "dev", body: "" }, /body/],
    ["pilink_send", { to: [], body: "x" }, /to/],
    ["pilink_send", { to: 7, body: "x" }, /to/],
    ["pilink_send", { to: "dev", body: { a: 1 } }, /body/],
    ["pilink_inbox", { wait_seconds: -1 }, /wait_seconds/],
    ["pilink_inbox", { wait_seconds: "soon" }, /wait_seconds/],
    ["pilink_inbox", { offset: 3 }, /give its id too/],
    ["pilink_inbox", { id: "none" }, /No message none arrived/],
    ["pilink_inbox", { id: "x", offset: 1.5 }, /offset/],
  ];
  it("are refused with the reason, and end nothing", async () => {
    const stage = await prepare();
    await stage.create("dev");
    const claude = await stage.client();
    for (const [name, parameters, reason] of bad) expect(await claude.fail(name, parameters)).toMatch(reason);
    await expect(claude.client.callTool({ name: "pilink_nothing", arguments: {} })).rejects.toThrow("pilink_nothing");
    await expect(claude.client.readResource({ uri: "pilink://nothing" })).rejects.toThrow("pilink://nothing");
    expect(await claude.call("pilink_agents")).toContain('You are "claude"');
  });
});
