import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { ghostAfterMs, type Life, Roster } from "../../peer/roster.ts";
import type { Presence } from "../../protocol/presence.ts";
import { presenceOf, sampleNet } from "./sample-records.ts";

const closingMs = 300_000;
const e1 = presenceOf({ epoch: "e1" });
const e2 = presenceOf({ epoch: "e2", box: "box2" });

const lost = (record: Presence, conn = record.conn): Presence => ({ ...record, state: "lost", conn });
const left = (record: Presence): Presence => ({ ...record, state: "left" });
const online = (record: Presence, conn: number): Presence => ({ ...record, state: "online", conn });

/** A roster that has seen these records of dev, live. */
function rosterOf(...records: (Presence | undefined)[]): Roster {
  const roster = new Roster(sampleNet);
  for (const record of records) roster.apply("dev", record, false);
  return roster;
}

function stateOf(roster: Roster): string | undefined {
  const presence = roster.get("dev")?.presence;
  return presence === undefined ? undefined : `${presence.epoch} ${presence.state} ${presence.conn}`;
}

describe("which `lost` counts, hazard 4", () => {
  it("is not one of the held life with a lower conn: a broker published an old will late [PRES-7]", () => {
    const roster = rosterOf(e1, online(e1, 2));
    expect(roster.apply("dev", lost(e1, 1), false)).toBeUndefined();
    expect(stateOf(roster)).toBe("e1 online 2");
  });

  it("is one of the held life with the same or a higher conn [PRES-8]", () => {
    for (const conn of [2, 3]) {
      const roster = rosterOf(e1, online(e1, 2));
      expect(roster.apply("dev", lost(e1, conn), false)?.kind).toBe("lost");
      expect(stateOf(roster)).toBe(`e1 lost ${conn}`);
    }
  });

  it("is one of an epoch never seen: who was cut off holds E1, and finds E2 lost [PRES-8]", () => {
    const roster = rosterOf(e1);
    roster.beginConnection();
    const change = roster.apply("dev", lost(e2), true);
    expect(change?.kind).toBe("replaced");
    expect(stateOf(roster)).toBe("e2 lost 1");
    expect(roster.dropUnrepeated()).toEqual([]);
  });

  it("is never one of a life that was superseded, however high its conn [PRES-7]", () => {
    const roster = rosterOf(e1, e2);
    for (const conn of [1, 2, 99]) {
      expect(roster.apply("dev", lost(e1, conn), false)).toBeUndefined();
      expect(roster.apply("dev", left(online(e1, conn)), true)).toBeUndefined();
    }
    expect(stateOf(roster)).toBe("e2 online 1");
    roster.apply("dev", left(e2), false);
    expect(roster.apply("dev", lost(e1, 99), true)).toBeUndefined();
    expect(stateOf(roster)).toBeUndefined();
  });

  it("keeps what the birth told about the peer [PRES-8]", () => {
    const roster = rosterOf({ ...e1, role: "backend", machine: "tower" }, lost(e1));
    expect(roster.get("dev")?.presence).toMatchObject({ state: "lost", role: "backend", machine: "tower" });
    expect(roster.apply("dev", lost(e1, 4), false)?.kind).toBe("changed");
  });

  it("is no end: the same life returns with a higher conn [PRES-3]", () => {
    const roster = rosterOf(e1, lost(e1));
    expect(roster.apply("dev", online(e1, 2), false)?.kind).toBe("returned");
    expect(roster.apply("dev", online(e1, 3), false)?.kind).toBe("reconnected");
    expect(roster.apply("dev", { ...online(e1, 3), activity: "tests" }, false)?.kind).toBe("changed");
    expect(stateOf(roster)).toBe("e1 online 3");
  });
});

describe("births and departures", () => {
  it("a birth of another epoch ends the life that held the name [PRES-9]", () => {
    const roster = rosterOf(e1);
    expect(roster.apply("dev", e2, false)).toMatchObject({
      kind: "replaced",
      life: { presence: { epoch: "e2" } },
      former: { presence: { epoch: "e1" } },
    });
    expect(roster.all()).toHaveLength(1);
  });

  it("a birth counts also after the end of its life: its record was overwritten by somebody [PRES-13]", () => {
    const roster = rosterOf(e1, left(e1), undefined);
    expect(stateOf(roster)).toBeUndefined();
    expect(roster.apply("dev", e1, false)?.kind).toBe("joined");
    // And it can be lost, and leave, like any other.
    expect(roster.apply("dev", lost(e1), false)?.kind).toBe("lost");
    expect(roster.apply("dev", left(e1), false)?.kind).toBe("departed");
  });

  it("an empty record not preceded by `left` is no departure, hazard 2 [PRES-10]", () => {
    const roster = rosterOf(e1);
    expect(roster.apply("dev", undefined, false)).toBeUndefined();
    expect(stateOf(roster)).toBe("e1 online 1");
    expect(roster.apply("dev", left(e1), false)?.kind).toBe("departed");
    expect(roster.apply("dev", undefined, false)).toBeUndefined();
    expect(stateOf(roster)).toBeUndefined();
  });

  it("a late will after `left` brings nobody back [PRES-7]", () => {
    const roster = rosterOf(online(e1, 2), left(online(e1, 2)), undefined);
    for (const conn of [1, 2]) expect(roster.apply("dev", lost(e1, conn), true)).toBeUndefined();
    expect(roster.all()).toEqual([]);
  });

  it("records of another instance change nothing, hazard 10 [PRES-6]", () => {
    const roster = rosterOf(e1);
    for (const state of ["online", "lost", "left"] as const) {
      expect(roster.apply("dev", { ...e2, net: "earlier", state }, false)).toBeUndefined();
      expect(roster.apply("dev", { ...e1, net: "earlier", state }, false)).toBeUndefined();
      expect(roster.apply("prod", { ...e1, net: "earlier", state }, true)).toBeUndefined();
    }
    expect(roster.all()).toHaveLength(1);
    expect(stateOf(roster)).toBe("e1 online 1");
  });

  it("remembers a life that has ended by epoch and box, for the messages it sent before [INBOX-5]", () => {
    const roster = rosterOf(e1, e2);
    expect(roster.recall("dev", "e1", "box1")?.epoch).toBe("e1");
    expect(roster.recall("dev", "e2", "box2")?.epoch).toBe("e2");
    expect(roster.recall("dev", "e2", "box1")).toBeUndefined();
    expect(roster.recall("prod", "e1", "box1")).toBeUndefined();
    roster.apply("dev", left(e2), false);
    expect(roster.recall("dev", "e2", "box2")?.epoch).toBe("e2");
  });
});

describe("a new connection, hazard 5", () => {
  it("drops who was not repeated on it: the cleared record sent nothing [PRES-11]", () => {
    const roster = rosterOf(e1);
    roster.apply("prod", presenceOf({ epoch: "p1" }), false);
    expect(roster.dropUnrepeated()).toEqual([]);
    roster.beginConnection();
    roster.apply("prod", presenceOf({ epoch: "p1" }), true);
    expect(roster.dropUnrepeated().map(({ name }) => name)).toEqual(["dev"]);
    expect(roster.all().map(({ name }) => name)).toEqual(["prod"]);
  });

  it("takes back who was dropped and was only slow: with any record of the same life [PRES-11]", () => {
    for (const [record, kind] of [
      [e1, "joined"],
      [lost(e1), "lost"],
    ] as const) {
      const roster = rosterOf(e1);
      roster.beginConnection();
      roster.dropUnrepeated();
      expect(roster.apply("dev", record, false)?.kind).toBe(kind);
    }
  });

  it("keeps who gave another sign of life on it [PRES-11]", () => {
    const roster = rosterOf(e1);
    roster.beginConnection();
    roster.confirm("dev", "another life");
    expect(roster.get("dev")).toMatchObject({ repeated: false, confirmed: false });
    roster.confirm("dev", "e1");
    expect(roster.get("dev")).toMatchObject({ repeated: true, confirmed: true });
    expect(roster.dropUnrepeated()).toEqual([]);
  });

  it("does not take a retained record for a sign of life, and a live birth for one [PRES-16]", () => {
    const roster = new Roster(sampleNet);
    roster.apply("dev", e1, true);
    expect(roster.get("dev")?.confirmed).toBe(false);
    roster.apply("dev", e1, false);
    expect(roster.get("dev")?.confirmed).toBe(true);
    // The retained record that a new subscription brings takes nothing away.
    roster.apply("dev", e1, true);
    expect(roster.get("dev")?.confirmed).toBe(true);
    roster.apply("dev", lost(e1), false);
    expect(roster.get("dev")?.confirmed).toBe(false);
  });
});

describe("ghosts, hazard 2", () => {
  const ghostNames = (roster: Roster, nowMs: number) => roster.ghosts(nowMs, closingMs).map(({ name }) => name);

  it("are online records unanswered for 1.5 keepalives and 5 s [PRES-16]", () => {
    const roster = rosterOf({ ...e1, keepalive: 4_000 });
    expect(ghostNames(roster, 1e9)).toEqual([]);
    roster.ask("dev", 1_000);
    roster.ask("dev", 9_000);
    expect(ghostNames(roster, 1_000 + 10_999)).toEqual([]);
    expect(ghostNames(roster, 1_000 + 11_000)).toEqual(["dev"]);
    expect(ghostAfterMs({ ...e1, keepalive: 4_000 }, closingMs)).toBe(11_000);
  });

  it("are lost records after the closing time [PRES-16]", () => {
    const roster = rosterOf(lost(e1));
    roster.ask("dev", 0);
    expect(ghostNames(roster, closingMs - 1)).toEqual([]);
    expect(ghostNames(roster, closingMs)).toEqual(["dev"]);
  });

  it("are judged on one unbroken connection only [PRES-16]", () => {
    const roster = rosterOf(e1);
    roster.ask("dev", 0);
    roster.beginConnection();
    expect(ghostNames(roster, 1e9)).toEqual([]);
    roster.ask("dev", 50_000);
    expect(ghostNames(roster, 50_000 + 19_999)).toEqual([]);
    expect(ghostNames(roster, 50_000 + 20_000)).toEqual(["dev"]);
  });

  it("are not those who gave any sign of life since they were asked [PRES-16]", () => {
    const roster = rosterOf(e1);
    roster.ask("dev", 0);
    roster.confirm("dev", "e1");
    expect(ghostNames(roster, 1e9)).toEqual([]);
    roster.ask("dev", 0);
    roster.apply("dev", e1, false);
    expect(ghostNames(roster, 1e9)).toEqual([]);
  });

  it("count anew for the state they are in: lost on the way has the closing time to return [PRES-16]", () => {
    const roster = rosterOf(e1);
    roster.ask("dev", 0);
    roster.apply("dev", lost(e1), false);
    roster.ask("dev", 10_000);
    expect(ghostNames(roster, 10_000 + closingMs - 1)).toEqual([]);
  });

  it("stay away until a birth or a higher conn, whatever of theirs the broker still holds [PRES-18]", () => {
    const roster = rosterOf(online(e1, 2), lost(e1, 2));
    expect(roster.remove("dev", "another life")).toBeUndefined();
    expect(roster.remove("dev", "e1")?.name).toBe("dev");
    expect(roster.apply("dev", lost(e1, 2), true)).toBeUndefined();
    expect(roster.apply("dev", lost(e1, 1), true)).toBeUndefined();
    expect(stateOf(roster)).toBeUndefined();
    expect(roster.apply("dev", lost(e1, 3), true)?.kind).toBe("lost");
    roster.remove("dev", "e1");
    expect(roster.apply("dev", online(e1, 1), false)?.kind).toBe("joined");
  });
});

type Record = Presence | undefined;
type Happening =
  | "birth"
  | "reconnect"
  | "die"
  | "die without a will"
  | "leave"
  | "foreign instance"
  /** The will of an earlier connection, which the broker publishes only now. */
  | { life: number; conn: number };

const livesLimit = 6;
const timely: fc.Arbitrary<Happening> = fc.constantFrom(
  "birth",
  "birth",
  "reconnect",
  "die",
  "die without a will",
  "leave",
);
const untimely: fc.Arbitrary<Happening> = fc.oneof(
  timely,
  fc.constant("foreign instance" as const),
  fc.record({ life: fc.nat({ max: livesLimit - 1 }), conn: fc.integer({ min: 1, max: 4 }) }),
);
const cuts = fc.array(fc.double({ min: 0, max: 1, noNaN: true }), { minLength: 1, maxLength: 6 });

/** The records that one name's topic sees, in order: who lives there repairs what is not its own birth (hazard 8). */
function recordsOf(script: readonly Happening[]): Record[] {
  const records: Record[] = [];
  const conns: number[] = [];
  let isAlive = false;
  const birthOf = (life: number, conn = conns[life] ?? 1) => presenceOf({ epoch: `e${life}`, box: `box${life}`, conn });
  for (const each of script) {
    const newest = conns.length - 1;
    if (each === "birth") {
      if (conns.length === livesLimit) continue;
      conns.push(1);
      isAlive = true;
      records.push(birthOf(newest + 1));
    } else if (each === "foreign instance") {
      records.push({ ...birthOf(0), net: "earlier" });
    } else if (typeof each === "object") {
      if (each.conn < (conns[each.life] ?? 0)) records.push(lost(birthOf(each.life, each.conn)));
    } else if (isAlive) {
      if (each === "reconnect") {
        conns[newest] = (conns[newest] ?? 0) + 1;
        records.push(birthOf(newest));
      } else isAlive = false;
      if (each === "die") records.push(lost(birthOf(newest)));
      if (each === "leave") records.push(left(birthOf(newest)), undefined);
    }
    const own = isAlive ? birthOf(conns.length - 1) : undefined;
    const held = records.at(-1);
    if (own !== undefined && (held?.net !== own.net || held.epoch !== own.epoch || held.state !== "online"))
      records.push(own);
  }
  return records;
}

/** Two members see the records; one of them is cut off from the first to the second of the parts, and so on. */
function watch(records: Record[], parts: number[], check: (record: Record, one: Life[], other: Life[]) => void): void {
  const marks = parts.map((part) => Math.round(part * records.length));
  const isCutAt = (index: number) => marks.filter((mark) => mark <= index).length % 2 === 1;
  const always = new Roster(sampleNet);
  const cutOff = new Roster(sampleNet);
  for (const [index, record] of records.entries()) {
    always.apply("dev", record, false);
    if (isCutAt(index)) continue;
    if (!isCutAt(index - 1)) cutOff.apply("dev", record, false);
    else {
      cutOff.beginConnection();
      if (record !== undefined) cutOff.apply("dev", record, true);
      cutOff.dropUnrepeated();
    }
    check(record, always.all(), cutOff.all());
  }
}

const presencesIn = (lives: Life[]) => lives.map(({ name, presence }) => ({ name, presence }));

describe("two members that see the same records, one of them not all of them, hazards 4 and 5", () => {
  it("agree whenever both are connected, where wills come in time or not at all [PRES-8] [PRES-11]", () => {
    fc.assert(
      fc.property(fc.array(timely, { maxLength: 24 }), cuts, (script, parts) => {
        watch(recordsOf(script), parts, (_record, one, other) => expect(presencesIn(other)).toEqual(presencesIn(one)));
      }),
      { numRuns: 400 },
    );
  });

  it("agree on who is here, however late wills come, as soon as it has repaired its record [PRES-7] [PRES-13]", () => {
    fc.assert(
      fc.property(fc.array(untimely, { maxLength: 24 }), cuts, (script, parts) => {
        watch(recordsOf(script), parts, (record, one, other) => {
          if (record?.state !== "online" || record.net !== sampleNet) return;
          expect(presencesIn(one)).toEqual([{ name: "dev", presence: record }]);
          expect(presencesIn(other)).toEqual(presencesIn(one));
        });
      }),
      { numRuns: 400 },
    );
  });

  it("agree that nobody is here, once who is lost or silent may not return any more [PRES-16] [PRES-18]", () => {
    const script = fc.array(untimely, { maxLength: 24 }).map((all): Happening[] => [...all, "die without a will"]);
    fc.assert(
      fc.property(script, fc.boolean(), (all, seesOld) => {
        const records = recordsOf(all);
        const roster = rosterOf(...(seesOld ? records : []));
        roster.beginConnection();
        const retained = records.at(-1);
        for (let connection = 0; connection < 2; connection += 1) {
          if (retained !== undefined) roster.apply("dev", retained, true);
          roster.dropUnrepeated();
          roster.ask("dev", 0);
          for (const { name, presence } of roster.ghosts(closingMs, closingMs)) roster.remove(name, presence.epoch);
          expect(roster.all()).toEqual([]);
          roster.beginConnection();
        }
      }),
    );
  });
});
