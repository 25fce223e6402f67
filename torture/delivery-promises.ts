import { isSettled, type MessageState } from "../protocol/receipt.ts";
import { type Facts, inboxKey, type LifeFacts, ofKind, type SentFacts, type Violation } from "./facts.ts";

/** In the order in which a message moves forward (topics.md, "Delivery"). */
const ranks: readonly string[] = [
  "queued",
  "sent",
  "expired",
  "received",
  "denied",
  "injected",
  "seen",
  "replied",
] satisfies MessageState[];
const isOnDisk = (state: string) => ["received", "injected", "seen", "replied"].includes(state);
// A timer may be some milliseconds early against the clock.
const clockSlackMs = 50;

/** What was taken arrives, or its sender learns why not. */
export function findLosses(facts: Facts): Violation[] {
  const toldIds = new Set<string>();
  const found: Violation[] = [];
  for (const { id, state, token, to } of facts.told) {
    if (id === null || state === "refused") continue;
    toldIds.add(id);
    if (!facts.sent.has(id)) {
      found.push({ promise: "no loss", text: `${id} (${token} to ${to}) was told ${state}, and is in no outbox file` });
    }
  }
  for (const [id, sent] of facts.sent) {
    const fault = faultOf(facts, id, sent, toldIds.has(id));
    if (fault !== undefined) found.push({ promise: "no loss", text: `${describe(id, sent)} ${fault}` });
  }
  return found;
}

function faultOf(facts: Facts, id: string, sent: SentFacts, wasTold: boolean): string | undefined {
  const { line, network, from } = sent;
  if (facts.inboxes.get(inboxKey(line.toBox, line.net))?.has(id) === true) {
    const isWaiting = !isSettled(stateOf(line.state)) && endsIn(facts, network, from, line.fromBox, line.net);
    return isWaiting && endsIn(facts, network, line.to, line.toBox, line.net)
      ? `is in the inbox, and its sender only knows "${line.state}"`
      : undefined;
  }
  // What is said of those that are on no disk is found by `findLies`.
  if (isOnDisk(line.state) || line.state === "denied") return undefined;
  const both =
    endsIn(facts, network, from, line.fromBox, line.net) && endsIn(facts, network, line.to, line.toBox, line.net);
  if (line.state === "expired") {
    return both && !isOverdue(facts, id, sent) && !wasReplaced(facts, sent)
      ? "expired although both are in the same instance at the end"
      : undefined;
  }
  if (!wasTold) return undefined;
  if (both) return `is lost: both are in the same instance at the end, and its sender knows "${line.state}"`;
  if (sawClosing(facts, sent)) return `is still "${line.state}" although its sender saw the network close`;
  if (wentOn(facts, sent)) return `is still "${line.state}" although its sender is in a later instance`;
  if (endsIn(facts, network, from, line.fromBox, line.net) && isReplaced(facts, sent)) {
    return `is still "${line.state}" although another box has the receiver's name at the end`;
  }
  return undefined;
}

function stateOf(text: string): MessageState {
  return text === "queued" || text === "sent" ? text : "received";
}

/** Whether a box is in an instance at the very end. */
function endsIn(facts: Facts, network: string, name: string, box: string, net: string): boolean {
  return testimonies(facts).some(
    (said) =>
      said.network === network && said.name === name && said.box === box && said.net === net && said.state === "active",
  );
}

function testimonies({ lives }: Facts) {
  return [...lives.values()].flatMap(({ testimony }) => testimony ?? []);
}

function isOverdue({ states }: Facts, id: string, { line }: SentFacts): boolean {
  if (line.ttl === null) return false;
  const expiredAt = states.get(id)?.find(({ state }) => state === "expired")?.t;
  // Where the sender was killed before it could tell, the file is all there is.
  return expiredAt === undefined || expiredAt + clockSlackMs >= line.at + line.ttl;
}

/** Whether the sender knew that its network had ended: it closed, or was the host's own, who left. */
function sawClosing({ lives }: Facts, { line, network, from }: SentFacts): boolean {
  return [...lives.values()].some(
    ({ entered, verdicts, isOut }) =>
      entered.network === network &&
      entered.name === from &&
      entered.box === line.fromBox &&
      entered.net === line.net &&
      (verdicts.some(({ verdict }) => verdict === "closed") || (isOut && entered.role === "host")),
  );
}

/** Whether the sender has entered another instance since, where it learns that the former one has ended. */
function wentOn({ lives }: Facts, { line, network, from }: SentFacts): boolean {
  return [...lives.values()].some(
    ({ entered }) =>
      entered.network === network &&
      entered.name === from &&
      entered.box === line.fromBox &&
      entered.net !== line.net &&
      entered.t >= line.at,
  );
}

function isReplaced(facts: Facts, { line, network }: SentFacts): boolean {
  return testimonies(facts).some(
    (said) =>
      said.network === network &&
      said.name === line.to &&
      said.net === line.net &&
      said.state === "active" &&
      said.box !== line.toBox,
  );
}

/** Whether another box had the receiver's name for a while: what waited for the former one has ended then. */
function wasReplaced({ lives }: Facts, { line, network }: SentFacts): boolean {
  return [...lives.values()].some(
    ({ entered }) =>
      entered.network === network &&
      entered.name === line.to &&
      entered.net === line.net &&
      entered.box !== line.toBox &&
      entered.t >= line.at,
  );
}

function describe(id: string, { line, network, from }: SentFacts): string {
  return `${id} (${line.token}, ${network}, ${from} to ${line.to}, seq ${line.seq}, instance ${line.net})`;
}

/** Once in the inbox, once in each session, and nothing twice under two ids. */
export function findRepetitions(facts: Facts): Violation[] {
  const found = findNewsOfOld(facts);
  const say = (text: string) => found.push({ promise: "once", text });
  const tokens = new Map<string, string>();
  for (const { path, lines, network, name } of facts.inboxFiles) {
    for (const id of repeated(lines.map((line) => line.id))) say(`${id} is twice in ${path}`);
    for (const { id, token } of lines) {
      if (token === null) continue;
      const key = `${network} ${name} ${token}`;
      const other = tokens.get(key);
      if (other !== undefined && other !== id) say(`${token} came to ${network}/${name} as ${other} and as ${id}`);
      tokens.set(key, id);
    }
  }
  for (const [life, { shown, testimony, entered }] of facts.lives) {
    const ids = shown.map(({ id }) => id);
    const who = `${entered.network}/${entered.name} (${life})`;
    for (const id of repeated(ids)) say(`${who} was shown ${id} twice in one life`);
    const known = new Set(ids);
    for (const { id } of testimony?.inbox ?? []) {
      if (!known.has(id))
        found.push({ promise: "no loss", text: `${who} has ${id} in its inbox, and was never shown it` });
    }
  }
  return found;
}

/** A message that one life was shown is in the inbox of the next one; it is no news there. */
function findNewsOfOld(facts: Facts): Violation[] {
  const seen = new Map<string, Set<string>>();
  const found: Violation[] = [];
  for (const [life, { shown, entered }] of facts.lives) {
    const before = seen.get(entered.box) ?? new Set<string>();
    seen.set(entered.box, before);
    for (const { id } of shown.slice(entered.inbox.length)) {
      if (!before.has(id)) continue;
      found.push({ promise: "once", text: `${entered.network}/${entered.name} (${life}) was told of ${id} anew` });
    }
    for (const { id } of shown) before.add(id);
  }
  return found;
}

function repeated(items: string[]): string[] {
  const seen = new Set<string>();
  return items.filter((item) => seen.size === seen.add(item).size);
}

/** A state says no more than what is so. */
export function findLies(facts: Facts): Violation[] {
  const found: Violation[] = [];
  const say = (text: string) => found.push({ promise: "honest states", text });
  const injectedMs = new Map<string, number>();
  for (const { ids, t } of ofKind(facts.records, "injecting")) {
    for (const id of ids) injectedMs.set(id, Math.min(t, injectedMs.get(id) ?? t));
  }
  const answered = new Set(ofKind(facts.records, "sending").flatMap(({ re }) => re ?? []));
  for (const [id, sent] of facts.sent) {
    const isThere = facts.inboxes.get(inboxKey(sent.line.toBox, sent.line.net))?.has(id) === true;
    const moves = facts.states.get(id) ?? [];
    const stated = [...moves.map(({ state }) => state), sent.line.state].find(isOnDisk);
    if (stated !== undefined && !isThere)
      say(`${describe(id, sent)} was stated ${stated}, and is in no inbox file of its receiver`);
    let rank = -1;
    for (const { state, t } of moves) {
      if (ranks.indexOf(state) <= rank) say(`${describe(id, sent)} moved back to ${state}`);
      rank = ranks.indexOf(state);
      if (state === "injected" && (injectedMs.get(id) ?? Number.POSITIVE_INFINITY) > t) {
        say(`${describe(id, sent)} was stated injected before it was`);
      }
      if (state === "replied" && !answered.has(id))
        say(`${describe(id, sent)} was stated replied, and nobody answered`);
      if (state === "seen") say(`${describe(id, sent)} was stated seen, and no model was there`);
    }
  }
  return found;
}

/** How many were shown as late. */
export function countLate(lives: Iterable<LifeFacts>): number {
  let late = 0;
  for (const { shown } of lives) late += shown.filter((message) => message.late).length;
  return late;
}
