import type { ExtensionAPI, ExtensionContext } from "@earendil-works/pi-coding-agent";
import { commandName, findClash, otherCommandName } from "./command-name.ts";
import type { Completion } from "./completion.ts";
import { findCarried } from "./connection.ts";
import { claimCopy, releaseCopy } from "./copies.ts";
import { type Drawings, isTouched, LateDrawings, noticeType, sentType } from "./drawing.ts";
import { loadPart } from "./parts.ts";
import type { KnownStates } from "./sent-states.ts";
import type { Session } from "./session.ts";
import { subcommandNames } from "./subcommands.ts";

/**
 * Registers one command, the renderers and event handlers, and opens nothing: everything else is imported when a person
 * or a script first uses it, so that a Pi that never joins a network starts and ends as before.
 *
 * @param ownPath the file that Pi loaded this extension from
 */
export function pilink(pi: ExtensionAPI, ownPath: string): void {
  const other = claimCopy(ownPath);
  if (other !== undefined) {
    refuseSecondCopy(pi, { used: other, refused: ownPath });
    return;
  }
  let loading: Promise<Session> | undefined;
  let session: Session | undefined;
  // A person may enter a network in the middle of a run, which began before anything was loaded.
  const phase = { isRunning: false, isCompacting: false };
  const recalled: KnownStates = new Map();
  const drawings = new LateDrawings(() => loadDrawings(recalled));
  const load = (): Promise<Session> => {
    loading ??= Promise.all([loadPart(() => import("./session.ts")), drawings.load()]).then(([module]) => {
      session = new module.Session(pi, phase);
      return session;
    });
    return loading;
  };
  const command = {
    description: "Agents in other terminals: create or join a network, see who is there, send messages",
    getArgumentCompletions: complete,
    handler: async (line: string, ctx: Parameters<Session["run"]>[1]) => {
      const begun = await load().catch((error: unknown) => {
        ctx.ui.notify(error instanceof Error ? error.message : String(error), "error");
      });
      await begun?.run(line, ctx);
    },
  };
  const start = async (ctx: ExtensionContext): Promise<void> => {
    const network = pi.getFlag("pilink");
    const name = pi.getFlag("pilink-name");
    if (typeof network !== "string") {
      if (name !== undefined) ctx.ui.notify("--pilink-name says nothing without --pilink <network>.", "warning");
      return;
    }
    const begun = await load();
    if (!begun.attach(ctx)) return;
    const { enterAtStart } = await loadPart(() => import("./starting.ts"));
    await enterAtStart(begun, ctx, { network, name: typeof name === "string" ? name : undefined });
  };
  let otherNameRegistered = false;

  pi.registerFlag("pilink", {
    type: "string",
    description: "Start in this pilink network; create it if there is none",
  });
  pi.registerFlag("pilink-name", { type: "string", description: "The name of this agent in that network" });
  pi.registerCommand(commandName, command);
  pi.registerMessageRenderer("pilink", drawings.message("renderMessage"));
  pi.registerMessageRenderer("pilink-go", drawings.message("renderGo"));
  pi.registerEntryRenderer(sentType, drawings.entry("renderSent"));
  pi.registerEntryRenderer(noticeType, drawings.entry("renderNotice"));

  pi.on("session_start", async ({ reason }, ctx) => {
    const entries = ctx.sessionManager.getEntries();
    if (isTouched(entries)) {
      await drawings.load();
      const { recallStates } = await loadPart(() => import("./sent-states.ts"));
      for (const [id, state] of recallStates(entries)) recalled.set(id, state);
    }
    const clash = findClash(pi, ownPath);
    if (clash !== undefined && !otherNameRegistered) {
      otherNameRegistered = true;
      pi.registerCommand(otherCommandName, command);
      if (isFirst(reason)) {
        ctx.ui.notify(
          `Another extension has a command /${commandName} as well: ${clash}. Use /${otherCommandName} for this one, or remove the other.`,
          "warning",
        );
      }
    }
    if (findCarried() !== undefined) (await load()).attach(ctx);
    if (reason === "startup") await start(ctx);
  });
  pi.on("session_shutdown", async ({ reason }) => {
    releaseCopy(ownPath);
    await session?.detach(reason);
  });
  const noteCompacting = (isCompacting: boolean) => {
    phase.isCompacting = isCompacting;
    session?.phase.noteCompacting(isCompacting);
  };
  const noteRunning = (isRunning: boolean) => {
    phase.isRunning = isRunning;
    session?.phase.noteRunning(isRunning);
  };
  pi.on("session_before_compact", () => noteCompacting(true));
  pi.on("session_compact", () => noteCompacting(false));
  pi.on("session_compact_failed", () => noteCompacting(false));
  pi.on("agent_start", () => noteRunning(true));
  pi.on("turn_end", ({ message }) => {
    if (!hasFailed(message)) session?.phase.noteTurnEnd();
  });
  pi.on("agent_settled", () => noteRunning(false));
  pi.on("session_tree", () => session?.noteTree());
  pi.on("input", ({ source }) => {
    if (source !== "extension") session?.reading.restart();
  });
  pi.on("context", ({ messages }) => session?.noteRequest(messages));
  pi.on("message_start", ({ message }) => {
    if (message.role === "assistant" && !hasFailed(message)) session?.noteAnswer();
  });
  pi.on("model_select", ({ model }) => findCarried()?.connection?.peer.describe({ model: model.id }));
}

async function loadDrawings(recalled: KnownStates): Promise<Drawings> {
  const [renderer, sentLine] = await Promise.all([
    loadPart(() => import("./renderer.ts")),
    loadPart(() => import("./sent-line.ts")),
  ]);
  const { renderMessage, renderGo, renderNotice } = renderer;
  return { renderMessage, renderGo, renderNotice, renderSent: sentLine.makeSentRenderer(recalled) };
}

/** Two copies in one Pi (installed, and given with -e) would register every tool twice, and Pi would not start. */
function refuseSecondCopy(pi: ExtensionAPI, { used, refused }: { used: string; refused: string }): void {
  pi.on("session_start", ({ reason }, ctx: ExtensionContext) => {
    if (!isFirst(reason)) return;
    ctx.ui.notify(
      `pilink is loaded twice. In use: ${used}. Ignored: ${refused}. Remove one of the two (pi list shows what is installed).`,
      "warning",
    );
  });
}

/** A request that failed before its answer began has a message of the model as well, which says that. */
function hasFailed(message: object): boolean {
  return "stopReason" in message && (message.stopReason === "error" || message.stopReason === "aborted");
}

/** What is wrong with the installation is told once, not with every new session. */
function isFirst(reason: string): boolean {
  return reason === "startup" || reason === "reload";
}

async function complete(prefix: string): Promise<Completion[] | null> {
  if (/\s/.test(prefix)) return (await loadPart(() => import("./completion.ts"))).completeHere(prefix);
  const fitting = subcommandNames.filter((name) => name.startsWith(prefix));
  // With a list open, Enter takes from the list instead of sending the line: a complete word needs no list.
  if (fitting.some((name) => name === prefix)) return null;
  return fitting.length === 0 ? null : fitting.map((name) => ({ value: name, label: name }));
}
