import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import { stopBroker } from "../../broker/managed.ts";
import { stopEverything } from "../support/cleanup.ts";
import { eventually } from "../support/eventually.ts";
import { freePort } from "../support/network.ts";
import { stateFolderOf } from "../support/pi-home.ts";
import { startPi } from "../support/pi-process.ts";
import {
  allText,
  type ModelReply,
  type ModelRequest,
  type ScriptedModel,
  startScriptedModel,
  toolResults,
} from "../support/scripted-model.ts";
import { temporaryHome } from "../support/temporary-home.ts";
import { type PiTerminal, startPiTerminal, type TerminalOptions, tmuxInstalled } from "../support/terminal.ts";

// Real terminals on a machine that has other things to do.
vi.setConfig({ testTimeout: 120_000, hookTimeout: 60_000 });
const shownMs = 30_000;

const isPossible = tmuxInstalled();
const required = process.env.PILINK_REQUIRE_BROKERS === "1";
const title = "the screen";
const looks = [
  { columns: 80, theme: "dark" },
  { columns: 40, theme: "light" },
] as const;

/** prod's model: answers the message that it finds in its context, by its id, once. */
function answerOnce(request: ModelRequest): ModelReply {
  const id = /Message id: ([\w-]+)/.exec(allText(request))?.[1];
  if (id === undefined || toolResults(request).length > 0) return { text: "Done." };
  return { toolCalls: [{ name: "pilink_send", arguments: { to: "dev", body: "It is fine, ship it.", re: id } }] };
}

describe.skipIf(!isPossible && !required)(isPossible ? title : `${title} (skipped: needs tmux)`, () => {
  let home = "";
  let url = "";
  let model: ScriptedModel;

  beforeAll(async () => {
    [{ path: home }, url, model] = await Promise.all([
      temporaryHome(),
      freePort().then((port) => `mqtt://127.0.0.1:${port}`),
      startScriptedModel(),
    ]);
    model.script("prod", answerOnce);
  });
  afterAll(async () => {
    await stopBroker({ home: stateFolderOf(home), url });
    await stopEverything();
  });

  function start(name: string, options: Partial<TerminalOptions>): Promise<PiTerminal> {
    const env = { PILINK_URL: url, ...options.env };
    return startPiTerminal({ home, name, model, modelId: name, ...options, env });
  }

  describe.each(looks)("at $columns columns in the $theme theme", ({ columns, theme }) => {
    const network = `lab-${columns}`;
    let dev: PiTerminal;
    let prod: PiTerminal;

    beforeAll(async () => {
      [dev, prod] = await Promise.all([start("dev", { columns, theme }), start("prod", { columns, theme })]);
      dev.enter(`/pilink create ${network} --name dev --role backend`);
      await shows(dev, `Created the network "${network}"`);
      prod.enter(`/pilink join ${network} --name prod --role reviewer`);
      await shows(prod, `Joined the network "${network}" as "prod"`);
    });
    afterAll(() => {
      for (const pi of [prod, dev]) {
        pi?.enter("/quit");
        pi?.close();
      }
    });

    it("keeps the line that another agent joins with, when one joins", async () => {
      await shows(dev, `"prod" (reviewer) joined the network "${network}".`);
      // A line to paste has nothing beside it, and is broken in no terminal of usual width.
      expect(dev.screen()).toMatch(
        /^ Another agent joins it with:\n \/pilink join lab-[^:]*:\/\/[^:]*:\d+\n Watch the traffic with:\n/m,
      );
      if (columns >= 80) expect(dev.screen()).toMatch(/^ mosquitto_sub .* -v -t 'pilink\/lab-80\/#'$/m);
    });

    it("draws a message with its sender, and moves the ticks of its line until it was read and answered", async () => {
      dev.enter("/pilink send prod Can you review the diff? 日本語 👨‍👩‍👧 e\u0301 ok");
      await prod.untilShown(/← dev \(backend\) \d\d:\d\d/, shownMs);
      await shows(prod, "Can you review the diff? 日本語");
      await dev.untilShown(/→ prod ✓✓ in its session( \d\d:\d\d)?$/m, shownMs);
      await dev.untilShown(/Can you review the diff\?/, shownMs);
      const before = colourBefore(dev, "✓✓ in its session");
      const reply = model.hold("prod");
      prod.enter("/pilink go");
      const request = await reply.request;
      await shows(prod, "→ the model is asked to act on 1 message from dev");
      expect(flat(prod)).not.toContain("The model is given");
      // The request alone is no proof that the model has read it.
      expect(dev.screen()).not.toContain("read by its model");
      reply.release({ text: "Let me see." });
      expect(allText(request)).toContain("Can you review the diff?");
      await dev.untilShown(/→ prod ◉ read by its model/, shownMs);
      const after = colourBefore(dev, "◉ read by its model");
      expect(after).not.toBe(before);
      await prod.untilShown("Let me see.", shownMs);
      prod.enter("Answer it.");
      await dev.untilShown(/→ prod ◉ answered/, shownMs);
      await dev.untilShown(/← prod \(reviewer\) \d\d:\d\d/, shownMs);
      await shows(dev, "answers “Can you review");
      await shows(dev, "It is fine, ship it.");
      await prod.untilShown(/pilink_send → dev ✓✓ in its session/, shownMs);
      expect(prod.screen()).not.toContain('"re"');
    });

    it("folds a long message, and shows the whole of it with ctrl+o", async () => {
      const words = Array.from({ length: 25 }, (_, index) => `part-${index + 1}-of-the-long-message`).join(" ");
      dev.enter(`/pilink send prod ${words}`);
      await prod.untilShown(/… \d+ more lines? \(ctrl\+o/, shownMs);
      expect(prod.screen()).not.toContain("part-25-of");
      prod.press("C-o");
      await prod.untilShown("part-25-of", shownMs);
      prod.press("C-o");
      await eventually(() => expect(prod.screen()).not.toContain("part-25-of"), { timeoutMs: shownMs });
    });

    it("shows a broadcast in one line, and keeps what a command answered when somebody joins", async () => {
      dev.enter("/pilink agents");
      await shows(dev, `2 agents in the network "${network}"`);
      const qa = await startPi({ home, name: "qa", model, modelId: "qa", env: { PILINK_URL: url } });
      await qa.prompt(`/pilink join ${network} --name qa`);
      await shows(dev, `"qa" joined the network "${network}".`);
      await shows(dev, `2 agents in the network "${network}"`);
      dev.enter("/pilink send all Lunch?");
      await dev.untilShown(/→ all \(2\) ✓✓ 2 of 2 received/, shownMs);
      await qa.promptAndSettle("What is new?");
      await dev.untilShown(/→ all \(2\) ✓✓ 2 of 2 received, 1 read/, shownMs);
      await qa.stop();
      await shows(dev, `"qa" left the network "${network}".`);
    });
  });

  it.each(looks)("keeps every answer, and breaks no id, at $columns columns in the $theme theme", async (look) => {
    const network = `kept-${look.columns}`;
    const pi = await start("keeper", { ...look, rows: 120 });
    const friend = await startPi({ home, name: "friend", model, modelId: "friend", env: { PILINK_URL: url } });
    pi.enter(`/pilink create ${network} --name keeper`);
    await shows(pi, `Created the network "${network}"`);
    await friend.prompt(`/pilink join ${network} --name friend`);
    await friend.prompt("/pilink send keeper Can you look at the diff of the login fix, and at its tests?");
    await untilFooter(pi, "2 agents · 1 unread");
    const answers = [
      ["/pilink agents", `2 agents in the network "${network}":`],
      ["/pilink inbox", `1 unread message for "keeper"`],
      ["/pilink status", `Network "${network}": active.`],
      ["/pilink config", "Home's file:"],
      ["/pilink help send", "/pilink send [<peer>[,<peer>…]|all] [<text>]"],
    ] as const;
    for (const [line, answer] of answers) {
      pi.enter(line);
      await shows(pi, answer);
    }
    for (const [, answer] of answers) expect(flat(pi)).toContain(answer);
    expect(pi.screen()).toMatch(/^ +\[[0-9A-Za-z]{22}\]$/m);

    // Enter alone ends nothing for anybody.
    pi.enter("/pilink leave");
    await pi.untilShown(/→ No, stay in it/, shownMs);
    pi.enter("");
    await shows(pi, `Still in the network "${network}"`);
    await friend.stop();
    pi.enter("/quit");
    pi.close();
  });

  describe.each(looks)("the footer at $columns columns in the $theme theme", ({ columns, theme }) => {
    const network = `foot-${columns}`;

    it("follows the network, through /new and /reload, until it is left", async () => {
      // The broker misses a silent host after one and a half of these.
      const env = { PILINK_URL: url, PILINK_KEEPALIVE_MS: "3000" };
      const host = await startPi({ home, name: "host", model, modelId: "host", env });
      await host.prompt(`/pilink create ${network} --name host`);
      const pi = await start("guest", { columns, theme, env });
      expect(footerOf(pi)).not.toContain(network);
      pi.enter(`/pilink join ${network} --name guest`);
      await untilFooter(pi, `${network} · guest · 2 agents`);
      const calm = colourBefore(pi, `${network} · guest`);
      await host.prompt("/pilink send guest hello");
      await untilFooter(pi, "1 unread");
      pi.enter("/new");
      await pi.untilShown("New session started", shownMs);
      await untilFooter(pi, "1 unread");
      pi.enter("/pilink inbox");
      await untilFooter(pi, /2 agents$/);
      pi.enter("/reload");
      await pi.untilShown(/Reloaded/, shownMs);
      await untilFooter(pi, `${network} · guest · 2 agents`);

      host.signal("SIGSTOP");
      await untilFooter(pi, `${network} · guest · suspended`);
      const warned = colourBefore(pi, `${network} · guest · suspended`);
      expect(warned).not.toBe(calm);
      // The colour in which Pi itself warns, in whichever theme: this notice is one.
      await shows(pi, "Network host is offline");
      expect(warned).toBe(colourBefore(pi, "Warning: Network host"));
      host.signal("SIGCONT");
      await untilFooter(pi, `${network} · guest · 2 agents`);
      expect(colourBefore(pi, `${network} · guest`)).toBe(calm);

      await host.stop();
      await untilFooter(pi, `${network} · guest · closed`);
      expect(colourBefore(pi, `${network} · guest · closed`)).toBe(warned);
      pi.enter("/pilink leave");
      await eventually(() => expect(footerOf(pi)).not.toContain(network), { timeoutMs: shownMs });
      pi.enter("/quit");
      pi.close();
    });
  });

  it("says in the footer how many are there and how much is unread, however narrow the terminal gets", async () => {
    const pi = await start("wide", { columns: 80 });
    const friend = await startPi({ home, name: "friend", model, modelId: "friend", env: { PILINK_URL: url } });
    pi.enter("/pilink create a-network-with-a-name --name an-agent-with-one");
    await untilFooter(pi, "a-network-with-a-name · an-agent-with-one · 1 agent");
    await friend.prompt("/pilink join a-network-with-a-name --name friend");
    await friend.prompt("/pilink send an-agent-with-one hello");
    await untilFooter(pi, /^a-network-.* · an-agent-with.* · 2 agents · 1 unread$/m);
    pi.resize(40);
    await untilFooter(pi, /^a-n.*… · an-.*… · 2 agents · 1 unread$/m);
    await friend.stop();
    pi.enter("/quit");
    pi.close();
  });

  it("shows in a session that is resumed what its messages had come to", async () => {
    const env = { PILINK_URL: url };
    const reader = await startPi({ home, name: "reader", model, modelId: "reader", env });
    await reader.prompt("/pilink create past --name reader");
    const first = await start("writer", { keepSessions: true });
    first.enter("/pilink join past --name writer");
    await shows(first, "Joined the network");
    // Pi writes no session before the first answer.
    first.enter("Hello.");
    await first.untilShown(/^ ok/m, shownMs);
    // The line stands there before its receiver has said anything.
    reader.signal("SIGSTOP");
    first.enter("/pilink send reader remember this");
    await first.untilShown("→ reader ✓ sent", shownMs);
    reader.signal("SIGCONT");
    await first.untilShown("→ reader ✓✓ in its session", shownMs);
    await reader.promptAndSettle("What came?");
    await first.untilShown("→ reader ◉ read by its model", shownMs);
    first.enter("/quit");
    await reader.nextNotification('"writer" left the network "past"');
    first.close();
    const second = await start("writer", { keepSessions: true, args: ["-c"] });
    await second.untilShown("→ reader ◉ read by its model", shownMs);
    await second.untilShown("remember this", shownMs);
    expect(footerOf(second)).not.toContain("past");
    second.enter("/quit");
    second.close();
    // Here Pi draws the session before it tells the extension of it.
    const third = await start("writer", { keepSessions: true });
    third.enter("/resume");
    await third.untilShown("Hello.", shownMs);
    third.press("Enter");
    await third.untilShown("→ reader ◉ read by its model", shownMs);
    await third.untilShown("remember this", shownMs);
    third.enter("/quit");
    third.close();
    await reader.stop();
  });
});

/** The lines below the editor. */
function footerOf(pi: PiTerminal): string {
  const lines = pi.screen().trimEnd().split("\n");
  return lines.slice(lines.findLastIndex((line) => line.startsWith("───")) + 1).join("\n");
}

async function untilFooter(pi: PiTerminal, text: string | RegExp): Promise<void> {
  await eventually(
    () => {
      const footer = footerOf(pi);
      if (typeof text === "string" ? !footer.includes(text) : !text.test(footer)) {
        throw new Error(`The footer does not show ${text}:\n${pi.screen()}`);
      }
    },
    { timeoutMs: shownMs },
  );
}

/** Waits until a text stands on the screen, in however many lines. */
async function shows(pi: PiTerminal, text: string): Promise<void> {
  await eventually(
    () => {
      if (!flat(pi).includes(text)) throw new Error(`The screen does not show ${text}:\n${pi.screen()}`);
    },
    { timeoutMs: shownMs },
  );
}

/** What stands on the screen, on one line. */
function flat(pi: PiTerminal): string {
  return pi.screen().replace(/\s+/g, " ");
}

/** The colour in which a text stands on the screen, as its escape sequence has it. */
function colourBefore(pi: PiTerminal, text: string): string {
  const screen = pi.colouredScreen();
  const at = screen.lastIndexOf(text);
  if (at < 0) throw new Error(`The screen does not show ${text}:\n${screen}`);
  const colours = screen
    .slice(0, at)
    .split(`${String.fromCharCode(0x1b)}[`)
    .flatMap((piece) => /^[0-9;]*(?:3[0-9]|9[0-7])(?:;[0-9;]*)?(?=m)/.exec(piece) ?? []);
  return colours.at(-1) ?? "";
}
