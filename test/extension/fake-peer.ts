import { EventEmitter } from "node:events";
import type { Examination } from "../../peer/examination.ts";
import type {
  InboxEntry,
  NetworkState,
  Outgoing,
  Peer,
  PeerEvents,
  PeerStatus,
  RosterEntry,
  SendOutcome,
  SentEntry,
} from "../../peer/peer.ts";
import type { Presence } from "../../protocol/presence.ts";

/** A message as an inbox holds it, from `prod` and unread unless said otherwise. */
export function makeEntry(changes: Partial<InboxEntry> & { id: string }): InboxEntry {
  return {
    from: "prod",
    verified: true,
    late: false,
    type: "message",
    body: `body of ${changes.id}`,
    re: null,
    atMs: 1_000,
    trace: `trace-${changes.id}`,
    hops: 0,
    state: "unread",
    attention: "new",
    session: undefined,
    envelope: { v: 1, from: "prod", body: `body of ${changes.id}` },
    ...changes,
  };
}

/** A line of the roster. */
export function makeLine(name: string, changes: Partial<RosterEntry> & { role?: string } = {}): RosterEntry {
  const { role, ...rest } = changes;
  const presence: Presence = {
    v: 1,
    state: "online",
    net: "net",
    epoch: `epoch-${name}`,
    conn: 1,
    box: "box",
    kind: "member",
    keepalive: 10_000,
    since: 0,
    ...(role === undefined ? {} : { role }),
  };
  return { name, presence, state: "online", isSelf: false, isHost: false, ...rest };
}

/** A peer without a network, for what only looks at one. */
export class FakePeer implements Peer {
  network: string = "lab";
  name: string = "dev";
  kind: "host" | "member" = "host";
  readonly epoch = "epoch-dev";
  readonly net = "net";
  readonly box = "box-dev";
  readonly about = undefined;
  readonly events = new EventEmitter<PeerEvents>();
  state: NetworkState = "active";
  connected = true;
  entries: InboxEntry[] = [];
  sentEntries: SentEntry[] = [];
  examination: Examination = {
    fault: undefined,
    version: undefined,
    muteTopic: undefined,
    isRetaining: true,
    host: { name: "dev", state: "answers", clockOffsetMs: 0 },
    ownRecord: "works",
  };
  lines: RosterEntry[] = [makeLine("dev", { isSelf: true, isHost: true })];

  roster(): RosterEntry[] {
    return this.lines;
  }
  async confirmRoster(): Promise<RosterEntry[]> {
    return this.lines;
  }
  async send(_outgoing: Outgoing): Promise<SendOutcome[]> {
    throw new Error("This peer sends nothing.");
  }
  sent(): SentEntry[] {
    return this.sentEntries;
  }
  inbox(): InboxEntry[] {
    return this.entries;
  }
  unread(): InboxEntry[] {
    return this.entries.filter(({ state }) => state === "unread");
  }
  markInjected(ids: string[], session: string): void {
    this.#mark(ids, { state: "injected", session });
  }
  markSeen(ids: string[]): void {
    this.#mark(ids, { state: "seen" });
  }
  markAttention(ids: string[], attention: "read" | "cleared"): void {
    this.#mark(ids, { attention });
  }
  releaseSession(): InboxEntry[] {
    return [];
  }
  describe(): void {}
  status(): PeerStatus {
    const { network, name, kind, epoch, net, state, connected } = this;
    const unread = this.entries.filter((entry) => entry.state === "unread").length;
    const rest = { host: name, url: "mqtt://127.0.0.1:1883", clockOffsetMs: 0, waiting: 0, rejected: {} };
    return { network, name, kind, epoch, net, state, connected, unread, ...rest };
  }
  dependents(): string[] {
    return [];
  }
  async examine(): Promise<Examination> {
    return this.examination;
  }
  async brokerVersion(): Promise<undefined> {}
  async leave(): Promise<void> {}

  #mark(ids: string[], changes: Partial<InboxEntry>): void {
    this.entries = this.entries.map((entry) => (ids.includes(entry.id) ? { ...entry, ...changes } : entry));
  }
}
