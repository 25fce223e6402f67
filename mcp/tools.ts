import { randomBytes } from "node:crypto";
import type { CallToolResult, InputRequiredResult, McpServer, ServerContext } from "@modelcontextprotocol/server";
import { z } from "zod";
import { agentsTool, describeCompany, describeOutcomes, readModelMessage, sendTool } from "../peer/model-tools.ts";
import { describeFault } from "../peer/texts.ts";
import { PilinkError } from "../protocol/errors.ts";
import { frameAbout } from "../protocol/frame.ts";
import { ask, readAsking } from "./asking.ts";
import type { Intake } from "./intake.ts";
import { describeHeld } from "./message-text.ts";
import type { Seat, Seated } from "./seat.ts";
import type { Sends } from "./sends.ts";
import { takeWhenThere } from "./waiting.ts";

/** How long a call may wait for a message, in seconds: some clients give a call up after 60. */
export const waitSecondsLimit = 50;

/** What the tools work with. */
export interface ToolParts {
  seat: Seat;
  intake: Intake;
  sends: Sends;
}

// Answers are text only: a client that is given structured content too may show its model that alone, and with it a
// message without its frame.
type Answer = CallToolResult | InputRequiredResult;

/** Gives the model of a client the tools: the same ones with the same words as in Pi, and what Pi does by itself. */
export function addTools(server: McpServer, parts: ToolParts): void {
  const { seat, sends } = parts;
  const told = new Set<string>();
  const asking = (ctx: ServerContext) => readAsking(ctx, server.server.getClientCapabilities());

  server.registerTool(
    agentsTool.name,
    {
      title: agentsTool.label,
      description: agentsTool.description,
      inputSchema: z.object({}),
      annotations: { readOnlyHint: true, openWorldHint: false },
    },
    (_parameters, ctx) =>
      answer(seat, async () => {
        const seated = await seat.require(ctx.mcpReq.signal);
        const entries = await seated.peer.confirmRoster();
        return [describeCompany(seated.peer, entries), ...tellAbout(seated, told)].join("\n\n");
      }),
  );

  server.registerTool(
    sendTool.name,
    {
      title: sendTool.label,
      description: sendTool.describe(
        "It answers, if it does, with a message of its own later, which pilink_inbox gives you.",
      ),
      inputSchema: z.object({
        to: z.union([z.string(), z.array(z.string()).min(1)]).describe(sendTool.parameters.to),
        body: z.string().min(1).describe(sendTool.parameters.body),
        re: z.string().optional().describe(sendTool.parameters.re),
      }),
      annotations: { readOnlyHint: false, destructiveHint: false, openWorldHint: false },
    },
    ({ to, body, re }, ctx) =>
      answer(seat, async () => {
        const message = readModelMessage({ to, body, ...(re === undefined ? {} : { re }) });
        const seated = await seat.require(ctx.mcpReq.signal);
        const sent = await sends.send(seated, message, asking(ctx), ctx.mcpReq.signal);
        return "question" in sent ? ask(sent.question) : describeOutcomes(sent.outcomes);
      }),
  );

  server.registerTool(
    "pilink_inbox",
    {
      title: "Messages from agents",
      description:
        "Gives you the messages from other agents that you have not read, each once. Nothing appears by itself: call it at the start of a task, before you end your turn, and with wait_seconds while you wait for an answer and have nothing else to do.",
      inputSchema: z.object({
        wait_seconds: z
          .number()
          .min(0)
          .optional()
          .describe(
            `How long to wait where no message is there, in seconds; 0 unless given, ${waitSecondsLimit} at most`,
          ),
        id: z.string().min(1).optional().describe("Gives you this one message, also one that you have had"),
        offset: z.int().min(0).optional().describe("With id: where to begin in its text, in characters"),
        held: z.boolean().optional().describe("Asks your user to let you read the messages that are held for it"),
      }),
      annotations: { readOnlyHint: false, destructiveHint: false, openWorldHint: false },
    },
    (wanted, ctx) => answer(seat, () => readInbox(parts, wanted, ctx, told, asking(ctx))),
  );

  if (!seat.isFixed) addEntering(server, seat, told);
}

interface Wanted {
  wait_seconds?: number | undefined;
  id?: string | undefined;
  offset?: number | undefined;
  held?: boolean | undefined;
}

async function readInbox(
  { seat, intake }: ToolParts,
  { wait_seconds: seconds = 0, id, offset = 0, held = false }: Wanted,
  { mcpReq }: ServerContext,
  told: Set<string>,
  { canAsk, answer: said }: ReturnType<typeof readAsking>,
): Promise<string | InputRequiredResult> {
  if (id === undefined && offset > 0) {
    throw new PilinkError("bad-argument", "offset is a place in one message: give its id too.", { value: offset });
  }
  const left = id === undefined && !held ? intake.takeLeft(mcpReq.id) : undefined;
  if (left !== undefined) return left;
  const seated = await seat.require(mcpReq.signal);
  if (id !== undefined) return intake.takeOne(mcpReq.id, seated, id, offset);
  if (held) {
    const waiting = intake.sort(seated).held;
    if (waiting.length === 0) return "No message is held for your user.";
    if (!canAsk) {
      throw new PilinkError("not-approved", `This client cannot ask your user. ${describeHeld(waiting)}`);
    }
    if (said === undefined) return ask(`Let the model read what is held for you? ${describeHeld(waiting)}`);
    if (said === "no") {
      throw new PilinkError(
        "not-approved",
        "Your user did not let you read the messages that are held. Do not ask again.",
      );
    }
    return intake.takeHeld(mcpReq.id, seated);
  }
  const wait = { ms: Math.min(seconds, waitSecondsLimit) * 1_000, signal: mcpReq.signal };
  return takeWhenThere({ seat, intake }, wait, (present) =>
    [...tellAbout(present, told), intake.takeWaiting(mcpReq.id, present)].join("\n\n"),
  );
}

function addEntering(server: McpServer, seat: Seat, told: Set<string>): void {
  server.registerTool(
    "pilink_join",
    {
      title: "Join a network of agents",
      description:
        "Enters a network of coding agents. Call it when your user names a network; do not choose one by yourself.",
      inputSchema: z.object({
        network: z.string().min(1).optional().describe("The network; may be left out where your user has set one up"),
        name: z.string().min(1).optional().describe("The name to carry; made of the folder's name unless given"),
        role: z.string().max(200).optional().describe("What you are for, shown to the others"),
        create: z.boolean().optional().describe("True to create the network where there is none"),
      }),
      annotations: { readOnlyHint: false, destructiveHint: false, openWorldHint: false },
    },
    ({ network, name, role, create = false }) =>
      answer(seat, async () => {
        const seated = await seat.join({ network, name, role, create });
        const entries = await seated.peer.confirmRoster();
        return [describeCompany(seated.peer, entries), ...tellAbout(seated, told)].join("\n\n");
      }),
  );
  server.registerTool(
    "pilink_leave",
    {
      title: "Leave the network of agents",
      description:
        "Leaves the network. Call it when your user asks for it. If you are its host, it ends for everybody.",
      inputSchema: z.object({}),
      annotations: { readOnlyHint: false, destructiveHint: true, openWorldHint: false },
    },
    () =>
      answer(seat, async () => {
        const peer = await seat.leave();
        return peer === undefined
          ? "This agent was in no network."
          : `"${peer.name}" has left the network "${peer.network}".`;
      }),
  );
}

/** What the host says that the network is about, once in each instance of it ([SESS-15]). */
function tellAbout({ peer }: Seated, told: Set<string>): string[] {
  const { about, net, network } = peer;
  if (about === undefined || peer.kind === "host" || told.has(net)) return [];
  told.add(net);
  return [frameAbout({ network, host: peer.status().host, about }, () => randomBytes(6).toString("hex"))];
}

/** An answer, or what went wrong: for the model, which can act on it. */
async function answer(seat: Seat, make: () => Promise<string | InputRequiredResult>): Promise<Answer> {
  try {
    const made = await make();
    return typeof made === "string" ? { content: [{ type: "text", text: made }] } : made;
  } catch (error) {
    return { isError: true, content: [{ type: "text", text: nameWays(describeFault(error), seat.isFixed) }] };
  }
}

/** Puts what can be done here in the place of Pi's commands. */
function nameWays(text: string, isFixed: boolean): string {
  return text
    .replace(
      /Run \/pilink setup to start or join a new network\./g,
      isFixed ? "Call pilink_agents to enter it anew." : "Call pilink_join to enter one.",
    )
    .replace(/Create it with \/pilink create \S+,/g, "Call pilink_join with create true to create it,")
    .replace(/\/pilink create would start one there/g, "pilink_join with create true would start one there")
    .replace(/\/pilink create <network> starts both/g, "pilink_join with create true starts both")
    .replace(/for example --name (\S+)\./g, 'for example name "$1".')
    .replace(/\/pilink server start/g, "`pilink broker`");
}
