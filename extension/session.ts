import type { ExtensionAPI, ExtensionCommandContext, ExtensionContext } from "@earendil-works/pi-coding-agent";
import type { InboxEntry, Peer } from "../peer/peer.ts";
import { describeFault } from "../peer/texts.ts";
import { cleanText } from "../protocol/clean.ts";
import { messageOf } from "../protocol/errors.ts";
import { noteAboutSeen, tellAbout } from "./about.ts";
import { Activity } from "./activity.ts";
import { endCarried } from "./attempt.ts";
import { nameCommand, usedCommandName } from "./command-name.ts";
import { runCommand } from "./commands.ts";
import {
  type Attachment,
  type Carried,
  type Connection,
  type Notice,
  type NoticeType,
  openCarried,
} from "./connection.ts";
import { noticeType } from "./drawing.ts";
import { Following } from "./following.ts";
import { Footer } from "./footer.ts";
import { Inflow } from "./inflow.ts";
import { idsIn } from "./injection.ts";
import { inheritedMark, showMark } from "./mark.ts";
import { ModelSends } from "./model-sends.ts";
import { Phase, type PhaseStart } from "./phase.ts";
import { isPending, Reading } from "./reading.ts";
import { type SentFacts, showSent } from "./sent-line.ts";
import { statesToKeep, statesType } from "./sent-states.ts";
import { addTools, removeTools } from "./tools.ts";

// Pi waits for `session_shutdown` as long as it takes; a person who quits does not.
const quitLimitMs = 900;

/**
 * One runtime of the extension: what joins the peer, which outlives it, to the Pi session of the moment.
 * Pi's `pi` and `ctx` throw once their session has been replaced. Nothing asynchronous holds on to them: it goes to
 * the attachment in what is carried, and there is none between two sessions.
 */
export class Session implements Attachment {
  readonly #pi: ExtensionAPI;
  readonly #carried = openCarried(inheritedMark());
  readonly reading = new Reading();
  readonly modelSends = new ModelSends(this.reading);
  readonly #footer = new Footer();
  readonly #activity = new Activity();
  readonly #following = new Following(this.#carried, (text, type) => this.say(text, type, true));
  readonly phase: Phase;
  readonly #inflow: Inflow;
  #ctx: ExtensionContext | undefined;
  #toolsOf: Peer | undefined;

  /** @param start what the session is doing as this begins */
  constructor(pi: ExtensionAPI, start: PhaseStart) {
    this.#pi = pi;
    this.phase = new Phase(start, () => this.refresh());
    this.#inflow = new Inflow(this.#carried, this.phase, {
      warn: (text) => this.say(text, "warning"),
      onRetry: () => this.refresh(),
    });
  }

  /** What this Pi carries from session to session. */
  get carried(): Carried {
    return this.#carried;
  }

  /** The connection of this Pi, also while its network is suspended or closed. */
  get connection(): Connection | undefined {
    return this.#carried.connection;
  }

  /**
   * A session has begun, or has been given to this runtime. Idempotent.
   *
   * @returns false where another living session of this process has the connection: it stays there
   */
  attach(ctx: ExtensionContext): boolean {
    const holder = this.#carried.attachment;
    if (holder !== undefined && holder !== this && holder.isAlive()) return false;
    this.#carried.attachment = this;
    this.#ctx = ctx;
    for (const notice of this.#carried.unsaid.splice(0)) this.notify(notice);
    this.refresh();
    return true;
  }

  /** The session ends: at `quit` the peer leaves, otherwise the next session gets it. */
  async detach(reason: string): Promise<void> {
    const ctx = this.#ctx;
    const carried = this.#carried;
    if (carried.attachment === this) this.keepStates();
    this.#ctx = undefined;
    this.phase.close();
    this.#inflow.close();
    this.#activity.close();
    if (carried.attachment !== this) return;
    carried.attachment = undefined;
    const { peer } = carried.connection ?? {};
    // A reloaded session keeps its messages; any other end takes along what no model has read (hazard 13).
    if (peer !== undefined && ctx !== undefined && reason !== "reload") this.#release(peer, ctx);
    if (reason === "quit") await endCarried(carried, quitLimitMs);
  }

  isAlive(): boolean {
    try {
      return this.#ctx?.cwd !== undefined;
    } catch {
      // Pi's own way to say that the session has been replaced.
      return false;
    }
  }

  /** Runs a line that a person typed after `/pilink`. Every answer and every error is a notice. */
  async run(line: string, ctx: ExtensionCommandContext): Promise<void> {
    if (!this.attach(ctx)) {
      ctx.ui.notify("pilink is used by another session of this Pi process. Run the command there.", "error");
      return;
    }
    try {
      await runCommand(line, { session: this, ctx });
    } catch (error) {
      this.say(describeFault(error), "error");
    }
  }

  /**
   * Shows a notice in the session of the moment, or in the next one.
   *
   * @param isLasting true where a later notice must not replace it; one of several lines is never replaced
   */
  say(text: string, type: NoticeType = "info", isLasting = false): void {
    const notice = { text, type, isLasting };
    const { attachment } = this.#carried;
    if (attachment === undefined) this.#carried.unsaid.push(notice);
    else attachment.notify(notice);
  }

  notify(notice: Notice): void {
    try {
      // Roles, reasons and subjects come from other agents; a terminal would obey what is in them.
      const text = nameCommand(cleanText(notice.text), this.commandName());
      // Pi's terminal replaces one notice by the next.
      const stays = notice.isLasting === true || text.includes("\n");
      const isEntry = stays && notice.type === "info" && this.#ctx?.mode === "tui";
      if (isEntry) this.#pi.appendEntry(noticeType, { text });
      else this.#ctx?.ui.notify(text, notice.type);
      // In `pi -p` nothing shows notices, and a script should learn what failed.
      if (this.#ctx?.hasUI === false && notice.type !== "info") process.stderr.write(`pilink: ${text}\n`);
    } catch {
      // The session was replaced without a word: the next one tells it.
      this.#carried.unsaid.push(notice);
    }
  }

  refresh(): void {
    if (this.#ctx === undefined) return;
    try {
      const { peer } = this.#carried.connection ?? {};
      if (peer !== undefined) this.#following.follow(peer);
      this.#offerTools(peer);
      showMark(this.#carried, peer);
      if (peer !== undefined) {
        const place = { pi: this.#pi, ctx: this.#ctx };
        if (this.canTake()) tellAbout(this.#carried, peer, place);
        this.#inflow.look(peer, place);
        const activity = this.phase.describe(peer.inbox().some(isPending));
        this.#activity.show(peer, activity, this.#ctx.getContextUsage()?.percent ?? undefined);
      }
      this.#footer.show(this.#ctx, peer);
    } catch (error) {
      // What calls this is a timer or a socket: an error would end Pi.
      if (this.isAlive()) this.say(`pilink could not use the session: ${messageOf(error)}`, "warning");
    }
  }

  /** Draws a message that the person has sent. */
  showSent(facts: SentFacts): void {
    try {
      showSent(this.#pi, facts);
    } catch (error) {
      // The session was replaced meanwhile: the message goes its way all the same.
      if (this.isAlive()) this.say(`pilink could not draw the message: ${messageOf(error)}`, "warning");
    }
  }

  /** Keeps in the session what the messages in it have come to, for when it is resumed. */
  keepStates(): void {
    try {
      const entries = this.#ctx?.sessionManager.getEntries() ?? [];
      const kept = statesToKeep(entries, this.#carried.sentStates);
      if (kept !== undefined) this.#pi.appendEntry(statesType, kept);
    } catch (error) {
      if (this.isAlive()) this.say(`pilink could not use the session: ${messageOf(error)}`, "warning");
    }
  }

  /** The command that the person types: another extension may have the usual one. */
  commandName(): string {
    return usedCommandName(this.#pi);
  }

  /** Pi's name for the session, where it has one. */
  sessionName(): string | undefined {
    return this.#pi.getSessionName();
  }

  /**
   * Takes over a connection that has just been made.
   *
   * @returns false where Pi is quitting: the caller lets the peer leave
   */
  adopt(connection: Connection): boolean {
    const carried = this.#carried;
    if (carried.isOver) return false;
    carried.connection = connection;
    this.reading.restart();
    carried.attachment?.refresh();
    return true;
  }

  /** Leaves the network, and forgets it. */
  async leave(): Promise<void> {
    const { peer } = this.#carried.connection ?? {};
    if (peer === undefined) return;
    this.#following.forget();
    await peer.leave();
  }

  /**
   * Starts one turn on the messages that no model has read, also on those that are held.
   *
   * @param id the one message to start it on, whatever became of it before
   * @returns them; nothing was started where there are none
   */
  go(peer: Peer, id?: string): InboxEntry[] {
    this.reading.restart();
    return this.#ctx === undefined ? [] : this.#inflow.go(peer, { pi: this.#pi, ctx: this.#ctx }, id);
  }

  /** True if a message can be put into the session, and a turn started. */
  canTake(): boolean {
    return this.#ctx !== undefined && this.phase.canTake(this.#ctx);
  }

  /** The person went to another place in the session: what no model has read, and stands elsewhere in it, comes along. */
  noteTree(): void {
    const { peer } = this.#carried.connection ?? {};
    if (peer === undefined || this.#ctx === undefined) return;
    this.#release(peer, this.#ctx);
    this.refresh();
  }

  /** These messages are about to go to the model. */
  noteRequest(messages: readonly object[]): void {
    noteAboutSeen(this.#carried, messages);
    const { peer } = this.#carried.connection ?? {};
    if (peer === undefined) return;
    this.modelSends.prepare();
    const ids = idsIn(messages);
    this.reading.noteRequest(peer, ids);
  }

  /** The model has begun to answer. */
  noteAnswer(): void {
    const { peer } = this.#carried.connection ?? {};
    if (peer !== undefined && this.reading.noteAnswer(peer)) this.refresh();
  }

  #release(peer: Peer, ctx: ExtensionContext): void {
    try {
      peer.releaseSession(ctx.sessionManager.getSessionId());
    } catch (error) {
      this.say(describeFault(error), "warning");
    }
  }

  #offerTools(peer: Peer | undefined): void {
    const isIn = peer !== undefined && (peer.state === "active" || peer.state === "suspended");
    if (!isIn) {
      if (this.#toolsOf !== undefined) removeTools(this.#pi);
      this.#toolsOf = undefined;
    } else if (this.#toolsOf !== peer) {
      addTools(this.#pi, peer, this);
      this.#toolsOf = peer;
    }
  }
}
