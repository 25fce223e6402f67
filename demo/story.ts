import type { PiProcess } from "../test/support/pi-process.ts";
import type { PiRecord } from "../test/support/pi-records.ts";
import { question } from "./models.ts";
import type { Actor, Stage } from "./stage.ts";

/** Everything the story needs. */
export interface Cast {
  stage: Stage;
  dev: PiProcess;
  prod: PiProcess;
}

/** What the story measured, in milliseconds. */
export interface Timings {
  sendToInjectedMs: number;
  replyToInjectedMs: number;
  killToNoticeMs: number;
}

/**
 * Plays the main job of this project from beginning to end, on real parts.
 *
 * @throws Error as soon as anything is not as it has to be
 */
export async function playStory(cast: Cast): Promise<Timings> {
  const { stage, dev, prod } = cast;
  stage.scene("dev creates a network.");
  await command(cast, "dev", '/pilink create lab --name dev --role "backend"', "/pilink join lab");

  stage.scene("prod, in another terminal, joins it.");
  await command(cast, "prod", "/pilink join lab --name prod", '"lab"');

  stage.scene("prod looks who is there.");
  await command(cast, "prod", "/pilink agents", "dev");

  stage.scene("dev's user asks its model, and the model writes to prod.");
  const sent = { at: dev.mark(), toProd: prod.mark() };
  const prompt = "Ask prod to review the diff.";
  stage.types("dev", prompt);
  await dev.prompt(prompt);
  await dev.waitForEvent(isToolStart, { since: sent.at });
  const sentMs = performance.now();
  stage.shows("dev", `[tool] pilink_send to prod: ${question}`);

  stage.scene("The message stands in prod's session. No turn starts: prod's user decides.");
  const injected = await prod.waitForEvent(isInjected, { since: sent.toProd });
  const sendToInjectedMs = performance.now() - sentMs;
  stage.shows("prod", contentOf(injected));
  await dev.waitForEvent(isSettled, { since: sent.at });
  stage.shows("dev", await lastAnswer(dev));

  stage.scene("prod's user lets its model continue; the model answers.");
  const replied = { at: prod.mark(), toDev: dev.mark() };
  await command(cast, "prod", "/pilink go", "dev");
  await prod.waitForEvent(isToolStart, { since: replied.at });
  const repliedMs = performance.now();
  stage.shows("prod", "[tool] pilink_send to dev, with re");

  stage.scene("The answer stands in dev's session.");
  const answered = await dev.waitForEvent(isInjected, { since: replied.toDev });
  const replyToInjectedMs = performance.now() - repliedMs;
  stage.shows("dev", contentOf(answered));
  await prod.waitForEvent(isSettled, { since: replied.at });
  stage.shows("prod", await lastAnswer(prod));

  stage.scene("dev's process is killed (SIGKILL). prod is told at once.");
  const killed = prod.mark();
  const killedMs = performance.now();
  const notice = prod.nextNotification("offline", { since: killed });
  await dev.kill();
  const told = await notice;
  stage.shows("prod", told.message);
  // On the same machine prod can see that the process is dead, and need not wait whether it returns.
  const ended = await prod.nextNotification("no longer available", { since: killed });
  stage.shows("prod", ended.message);

  stage.scene("prod's next message is refused, with the reason.");
  await command(cast, "prod", "/pilink send dev are you there?", /network|host/i);
  return { sendToInjectedMs, replyToInjectedMs, killToNoticeMs: told.atMs - killedMs };
}

async function command({ stage, ...pis }: Cast, actor: Actor, line: string, expected: string | RegExp): Promise<void> {
  const pi = pis[actor];
  const since = pi.mark();
  stage.types(actor, line);
  await pi.prompt(line);
  const { message } = await pi.nextNotification(expected, { since });
  stage.shows(actor, message);
}

function isToolStart({ type, toolName }: PiRecord): boolean {
  return type === "tool_execution_start" && toolName === "pilink_send";
}

function isSettled({ type }: PiRecord): boolean {
  return type === "agent_settled";
}

function isInjected({ type, message }: PiRecord): boolean {
  return type === "message_start" && fieldOf(message, "customType") === "pilink";
}

function contentOf({ message }: PiRecord): string {
  return textOf(fieldOf(message, "content"));
}

async function lastAnswer(pi: PiProcess): Promise<string> {
  const answers = (await pi.messages()).filter(({ role }) => role === "assistant");
  return textOf(answers.at(-1)?.content);
}

function textOf(content: unknown): string {
  if (typeof content === "string") return content;
  if (!Array.isArray(content)) return "";
  return content.map((part) => String(fieldOf(part, "text") ?? "")).join("");
}

function fieldOf(value: unknown, name: string): unknown {
  return typeof value === "object" && value !== null && name in value
    ? Object.entries(value).find(([key]) => key === name)?.[1]
    : undefined;
}
