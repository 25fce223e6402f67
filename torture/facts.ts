import type { HistoryRecord, RecordOf, Shown } from "./history.ts";

/** A message, and when it was shown. */
export type ShownAt = Shown & { t: number };

/** One stay of one process in a network, as the history tells of it. */
export interface LifeFacts {
  entered: RecordOf<"entered">;
  /** What its session was shown, in order: what it found in the inbox, then each message as it came. */
  shown: ShownAt[];
  verdicts: RecordOf<"verdict">[];
  /** It has left in good order. */
  isOut: boolean;
  testimony: RecordOf<"testimony"> | undefined;
}

/** A message as its sender's disk has it. */
export interface SentFacts {
  line: RecordOf<"outbox-file">["lines"][number];
  network: string;
  /** The sender's name. */
  from: string;
}

/** A history in order, by what the promises ask for. */
export interface Facts {
  records: readonly HistoryRecord[];
  lives: ReadonlyMap<string, LifeFacts>;
  /** By id. */
  sent: ReadonlyMap<string, SentFacts>;
  /** The ids in all inbox files of a box, by box and instance. */
  inboxes: ReadonlyMap<string, ReadonlySet<string>>;
  inboxFiles: readonly RecordOf<"inbox-file">[];
  /** The moves of each message that its sender told of, by id, in order. */
  states: ReadonlyMap<string, RecordOf<"state">[]>;
  told: readonly RecordOf<"told">[];
}

/** A promise that was not kept. */
export interface Violation {
  promise:
    | "no loss"
    | "once"
    | "order"
    | "honest states"
    | "presence"
    | "one verdict"
    | "one instance"
    | "one box"
    | "alive";
  text: string;
}

/** The records of one kind. */
export function ofKind<Kind extends HistoryRecord["kind"]>(
  records: readonly HistoryRecord[],
  kind: Kind,
): RecordOf<Kind>[] {
  return records.filter((record): record is RecordOf<Kind> => record.kind === kind);
}

/** The key of {@link Facts.inboxes}. */
export function inboxKey(box: string, net: string): string {
  return `${box} ${net}`;
}

/** Puts a history in order. Pure. */
export function gatherFacts(records: readonly HistoryRecord[]): Facts {
  const lives = new Map<string, LifeFacts>();
  const sent = new Map<string, SentFacts>();
  const inboxes = new Map<string, Set<string>>();
  const states = new Map<string, RecordOf<"state">[]>();
  for (const record of records) {
    if (record.kind === "entered") {
      const shown = record.inbox.map((message) => ({ ...message, t: record.t }));
      lives.set(record.life, { entered: record, shown, verdicts: [], isOut: false, testimony: undefined });
    } else if (record.kind === "out") {
      const life = lives.get(record.life);
      if (life !== undefined) life.isOut = true;
    } else if (record.kind === "message") lives.get(record.life)?.shown.push({ ...record.shown, t: record.t });
    else if (record.kind === "verdict") lives.get(record.life)?.verdicts.push(record);
    else if (record.kind === "testimony") {
      const life = lives.get(record.life);
      if (life !== undefined) life.testimony = record;
    } else if (record.kind === "state") states.set(record.id, [...(states.get(record.id) ?? []), record]);
    else if (record.kind === "outbox-file") {
      for (const line of record.lines) sent.set(line.id, { line, network: record.network, from: record.name });
    } else if (record.kind === "inbox-file") {
      for (const { id, toBox } of record.lines) {
        const key = inboxKey(toBox ?? "", record.net);
        const ids = inboxes.get(key) ?? new Set<string>();
        ids.add(id);
        inboxes.set(key, ids);
      }
    }
  }
  return {
    records,
    lives,
    sent,
    inboxes,
    inboxFiles: ofKind(records, "inbox-file"),
    states,
    told: ofKind(records, "told"),
  };
}
