import { withinDeadline } from "./eventually.ts";
import {
  asDialog,
  asNotification,
  asStatus,
  type DialogAnswer,
  type PiDialog,
  type PiNotification,
  type PiRecord,
  type PiStatus,
  parseRecord,
} from "./pi-records.ts";

/** How long to wait, and from which record on to look. */
export interface WaitOptions {
  timeoutMs?: number;
  /** A value of {@link PiProcess.mark}: what came earlier does not count. */
  since?: number;
}

/** Chooses notifications: a text they contain, or a pattern. */
export type NoticeMatcher = string | RegExp;

/** What one Pi wrote so far, and waiting for what it will write. */
export interface PiTranscript {
  /** Everything Pi wrote to standard output, oldest first. */
  records: PiRecord[];
  notifications: PiNotification[];
  statuses: PiStatus[];
  /** Every dialog that was opened. */
  dialogs: PiDialog[];
  /** The place after the newest record, for {@link WaitOptions.since}. */
  mark(): number;
  /** The first notification, also one already shown, that matches and that no call returned before. */
  nextNotification(matcher: NoticeMatcher, options?: WaitOptions): Promise<PiNotification>;
  /** The first record, also one already written, that matches and that no call returned before. */
  waitForEvent(matches: (record: PiRecord) => boolean, options?: WaitOptions): Promise<PiRecord>;
  /** Waits for the newest value of a status to fit; `undefined` means that it was removed. */
  waitForStatus(key: string, matches: (text: string | undefined) => boolean, timeoutMs?: number): Promise<void>;
  /** Answers each dialog that opens from now on; `undefined` leaves it open. */
  answerDialog(handler: (dialog: PiDialog) => DialogAnswer | undefined): void;
}

/** What a transcript needs from its process. */
export interface TranscriptSource {
  /** Begins every error message. */
  title: string;
  stderr(): string;
  /** Resolves with the exit code or signal when the process ends: nothing more will come then. */
  ended: Promise<string>;
  answer(dialog: PiDialog, answer: DialogAnswer): void;
}

/** A transcript, with what its process feeds it by. */
export interface OpenTranscript extends PiTranscript {
  /** Takes one line of standard output. */
  add(line: string): PiRecord;
  /** Lets everybody who waits look again. */
  tell(): void;
  /** Waits until something is found; the process's end or the deadline is an error that says what was missing. */
  waitFor<Found>(find: () => Found | undefined, missing: string, timeoutMs: number): Promise<Found>;
  /** Makes the text of an error: what is wrong, the last records, standard error. */
  describe(what: string, timeoutMs: number): () => string;
}

/** Makes an empty transcript. */
export function createTranscript({ title, stderr, ended, answer }: TranscriptSource): OpenTranscript {
  const records: PiRecord[] = [];
  const notifications: PiNotification[] = [];
  const noticePlaces = new Map<PiNotification, number>();
  const statuses: PiStatus[] = [];
  const dialogs: PiDialog[] = [];
  const taken = new Set<unknown>();
  const watchers = new Set<() => void>();
  let answerer: (dialog: PiDialog) => DialogAnswer | undefined = () => undefined;

  const tell = () => {
    for (const look of [...watchers]) look();
  };
  const describe = (what: string, timeoutMs: number) => () => {
    const tail = records.slice(-15).map((record) => `  ${JSON.stringify(record).slice(0, 400)}`);
    return `${title}: ${what} within ${timeoutMs} ms.\nThe last records of ${records.length}:\n${tail.join("\n")}\nstderr:\n${stderr().slice(-2_000)}`;
  };
  const waitFor = async <Found>(find: () => Found | undefined, what: string, timeoutMs: number): Promise<Found> => {
    const { promise, resolve } = Promise.withResolvers<Found>();
    const look = () => {
      const found = find();
      if (found === undefined) return;
      watchers.delete(look);
      resolve(found);
    };
    watchers.add(look);
    look();
    const failure = ended.then((how) => {
      throw new Error(describe(`it ended with ${how}; ${what}`, timeoutMs)());
    });
    try {
      return await withinDeadline(Promise.race([promise, failure]), timeoutMs, describe(what, timeoutMs));
    } finally {
      watchers.delete(look);
    }
  };

  return {
    records,
    notifications,
    statuses,
    dialogs,
    mark: () => records.length,
    tell,
    describe,
    waitFor,
    add(line) {
      const record = parseRecord(line);
      const atMs = performance.now();
      records.push(record);
      const notice = asNotification(record, atMs);
      if (notice) {
        notifications.push(notice);
        noticePlaces.set(notice, records.length - 1);
      }
      const status = asStatus(record, atMs);
      if (status) statuses.push(status);
      const dialog = asDialog(record);
      if (dialog) {
        dialogs.push(dialog);
        const chosen = answerer(dialog);
        if (chosen !== undefined) answer(dialog, chosen);
      }
      tell();
      return record;
    },
    nextNotification(matcher, { timeoutMs = 10_000, since = 0 } = {}) {
      const matches = (text: string) => (typeof matcher === "string" ? text.includes(matcher) : matcher.test(text));
      return waitFor(
        () => {
          const found = notifications.find(
            (notice) => !taken.has(notice) && (noticePlaces.get(notice) ?? 0) >= since && matches(notice.message),
          );
          if (found) taken.add(found);
          return found;
        },
        `no notification that matches ${matcher}`,
        timeoutMs,
      );
    },
    waitForEvent(matches, { timeoutMs = 10_000, since = 0 } = {}) {
      return waitFor(
        () => {
          const found = records.slice(since).find((record) => !taken.has(record) && matches(record));
          if (found) taken.add(found);
          return found;
        },
        `no record that matches ${matches}`,
        timeoutMs,
      );
    },
    async waitForStatus(key, matches, timeoutMs = 10_000) {
      await waitFor(
        () => (matches(statuses.findLast((status) => status.key === key)?.text) ? true : undefined),
        `status ${key} does not match ${matches}`,
        timeoutMs,
      );
    },
    answerDialog(handler) {
      answerer = handler;
    },
  };
}
