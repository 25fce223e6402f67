import type { ExtensionAPI, ExtensionCommandContext, ExtensionContext } from "@earendil-works/pi-coding-agent";
import type { InboxEntry, Peer } from "../peer/peer.ts";
import { isPilinkError, messageOf } from "../protocol/errors.ts";
import { runCommand } from "./commands.ts";
import { type Connection, carriedConnection, carryConnection } from "./connection.ts";
import { showFooter } from "./footer.ts";
import { idOf, injectWaiting, startTurn } from "./injection.ts";
import { followPeer, type NoticeType } from "./notices.ts";
import { Run } from "./run.ts";
import { addTools, removeTools } from "./tools.ts";

// Pi waits for `session_shutdown` as long as it takes; a person who quits does not.
const quitLimitMs = 900;

/**
 * One runtime of the extension: what joins the peer, which outlives it, to the Pi session of the moment.
 * Pi's `pi` and `ctx` throw once their session has been replaced, so nothing asynchronous holds on to them: everything
 * goes through this object, which has none between two sessions.
 */
export class Session {
  readonly #pi: ExtensionAPI;
  #ctx: ExtensionContext | undefined;
  #unfollow: (() => void) | undefined;
  #followed: Peer | undefined;
  #compacting = false;
  #inContext: string[] = [];
  #unsaid: { text: string; type: NoticeType }[] = [];
  #entering: AbortController | undefined;
  readonly #run = new Run();

  constructor(pi: ExtensionAPI) {
    this.#pi = pi;
  }

  /** The connection of this Pi, also while its network is suspended or closed. */
  get connection(): Connection | undefined {
    return carriedConnection();
  }

  /** A session has begun, or has been given to this runtime. Idempotent. */
  attach(ctx: ExtensionContext): void {
    this.#ctx = ctx;
    const { peer } = this.connection ?? {};
    if (peer !== undefined && this.#followed !== peer) this.#follow(peer);
    for (const { text, type } of this.#unsaid.splice(0)) ctx.ui.notify(text, type);
    this.#inject();
    this.#showFooter();
  }

  /** The session ends: at `quit` the peer leaves, otherwise the next session gets it. */
  async detach(reason: string): Promise<void> {
    const ctx = this.#ctx;
    const { peer } = this.connection ?? {};
    this.#unfollow?.();
    this.#unfollow = undefined;
    this.#followed = undefined;
    this.#ctx = undefined;
    if (peer === undefined) return;
    if (reason === "quit") {
      this.#entering?.abort();
      carryConnection(undefined);
      await Promise.race([
        peer.leave(quitLimitMs),
        new Promise<void>((resolve) => setTimeout(resolve, quitLimitMs).unref()),
      ]);
      return;
    }
    // A reloaded session keeps its messages; any other end takes along what no model has seen (hazard 13).
    if (reason !== "reload" && ctx !== undefined) peer.releaseSession(ctx.sessionManager.getSessionId());
  }

  /** Runs a line that a person typed after `/pilink`. Every answer and every error is a notice. */
  async run(line: string, ctx: ExtensionCommandContext): Promise<void> {
    this.attach(ctx);
    try {
      await runCommand(line, { session: this, ctx });
    } catch (error) {
      this.say(isPilinkError(error) ? error.message : `Something went wrong in pilink: ${messageOf(error)}`, "error");
    }
  }

  /** Shows a notice now, or when the next session begins. */
  say(text: string, type: NoticeType = "info"): void {
    if (this.#ctx === undefined) this.#unsaid.push({ text, type });
    else this.#ctx.ui.notify(text, type);
  }

  /** Pi's name for the session, where it has one. */
  sessionName(): string | undefined {
    return this.#pi.getSessionName();
  }

  /** Takes over a connection that has just been made. */
  adopt(connection: Connection): void {
    carryConnection(connection);
    this.#run.restart();
    this.#follow(connection.peer);
    this.#inject();
    this.#showFooter();
  }

  /** An attempt to enter that `/pilink leave` can end. */
  beginEntering(): AbortController {
    this.#entering?.abort();
    this.#entering = new AbortController();
    return this.#entering;
  }

  /** Ends an attempt to enter. @returns false where there was none */
  endEntering(attempt?: AbortController): boolean {
    const running = this.#entering;
    if (running === undefined || (attempt !== undefined && attempt !== running)) return false;
    this.#entering = undefined;
    if (attempt === undefined) running.abort();
    return true;
  }

  /** Leaves the network, and forgets it. */
  async leave(): Promise<void> {
    const { peer } = this.connection ?? {};
    if (peer === undefined) return;
    this.#unfollow?.();
    this.#unfollow = undefined;
    this.#followed = undefined;
    carryConnection(undefined);
    removeTools(this.#pi);
    await peer.leave();
    this.#showFooter();
  }

  /**
   * Starts one turn on the messages that no model has seen.
   *
   * @returns them; nothing was started where there are none
   */
  go(peer: Peer): InboxEntry[] {
    this.#run.restart();
    this.#inject();
    const entries = peer.inbox().filter((entry) => entry.state === "injected");
    if (this.#ctx !== undefined && entries.length > 0) startTurn({ pi: this.#pi, ctx: this.#ctx }, entries);
    return entries;
  }

  setCompacting(compacting: boolean): void {
    this.#compacting = compacting;
    if (!compacting) this.#inject();
  }

  get isCompacting(): boolean {
    return this.#compacting;
  }

  /** The person has spoken to the model. */
  noteInput(): void {
    this.#run.restart();
  }

  /** These messages are about to go to the model. */
  noteContext(messages: readonly object[]): void {
    const { peer } = this.connection ?? {};
    if (peer === undefined) return;
    const present = new Set(messages.flatMap((message) => readId(message) ?? []));
    const fresh = peer
      .inbox()
      .filter(({ id, state }) => present.has(id) && (state === "injected" || state === "unread"));
    for (const { hops, trace } of fresh) this.#run.takeIn(hops, trace);
    this.#inContext = fresh.map(({ id }) => id);
  }

  /** The model has begun to answer: it has read what was in its context. */
  noteAnswer(): void {
    const { peer } = this.connection ?? {};
    if (peer !== undefined && this.#inContext.length > 0) peer.markSeen(this.#inContext);
    this.#inContext = [];
  }

  /** The model has changed. */
  noteModel(model: string): void {
    this.connection?.peer.describe({ model });
  }

  #follow(peer: Peer): void {
    this.#unfollow?.();
    this.#followed = peer;
    this.#unfollow = followPeer(peer, {
      say: (text, type) => this.say(text, type),
      onChanged: () => this.#showFooter(),
      onMessage: () => this.#inject(),
      onEnded: () => this.#onEnded(),
    });
    if (peer.state === "active" || peer.state === "suspended") addTools(this.#pi, peer, this.#run);
  }

  #onEnded(): void {
    if (this.#ctx !== undefined) removeTools(this.#pi);
  }

  #inject(): void {
    const { peer } = this.connection ?? {};
    if (peer === undefined || this.#ctx === undefined || this.#compacting) return;
    injectWaiting(peer, { pi: this.#pi, ctx: this.#ctx });
    this.#showFooter();
  }

  #showFooter(): void {
    if (this.#ctx !== undefined) showFooter(this.#ctx, this.connection?.peer);
  }
}

function readId(message: object): string | undefined {
  if (!("role" in message) || message.role !== "custom" || !("customType" in message) || !("details" in message))
    return undefined;
  return idOf(message.customType, message.details);
}
