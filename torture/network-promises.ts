import { type Facts, ofKind, type Violation } from "./facts.ts";

// How long a closing takes to come to everybody who is connected; far more than any line of the torture is slow.
const closingLagMs = 20_000;

/** At the end everybody sees everybody, and nobody who is not there. */
export function findGhosts(facts: Facts): Violation[] {
  const found: Violation[] = ofKind(facts.records, "calm").flatMap(({ problems }) =>
    problems.map((text) => ({ promise: "presence" as const, text: `after the quiet-down ${text}` })),
  );
  const all = ofKind(facts.records, "testimony");
  for (const { network, name, roster } of all) {
    const here = new Map(all.filter((other) => other.network === network).map((other) => [other.life, other]));
    for (const { epoch, name: seen, state } of roster) {
      if (here.get(epoch)?.name !== seen)
        found.push(presence(`${network}/${name} sees the ghost ${seen} (${epoch}, ${state})`));
    }
    for (const { name: other, life } of here.values()) {
      if (!roster.some(({ epoch, state }) => epoch === life && state === "online")) {
        found.push(presence(`${network}/${name} does not see ${other} (${life})`));
      }
    }
  }
  return found;
}

function presence(text: string): Violation {
  return { promise: "presence", text };
}

/** Nobody goes on in an instance that another one saw close. */
export function findTwoVerdicts(facts: Facts): Violation[] {
  const closings = new Map<string, { t: number; who: string; reason: string | null }>();
  for (const { entered, verdicts } of facts.lives.values()) {
    for (const { verdict, t, reason } of verdicts) {
      const former = closings.get(entered.net);
      if (verdict !== "closed" || (former !== undefined && former.t <= t)) continue;
      closings.set(entered.net, { t, who: `${entered.network}/${entered.name}`, reason });
    }
  }
  const found: Violation[] = [];
  const say = (text: string) => found.push({ promise: "one verdict", text });
  for (const { testimony } of facts.lives.values()) {
    const closing = testimony === undefined ? undefined : closings.get(testimony.net);
    if (testimony === undefined || closing === undefined) continue;
    say(
      `${testimony.network}/${testimony.name} is ${testimony.state} in ${testimony.net}, which closed for ${closing.who} (${closing.reason})`,
    );
  }
  const said = new Set<string>();
  for (const moves of facts.states.values()) {
    for (const { id, state, t, life } of moves) {
      const net = facts.sent.get(id)?.line.net ?? "";
      const closing = closings.get(net);
      if (state !== "received" || closing === undefined || t < closing.t + closingLagMs || said.has(net)) continue;
      said.add(net);
      say(
        `${id} of ${life} was received ${t - closing.t} ms after ${net} had closed for ${closing.who} (${closing.reason})`,
      );
    }
  }
  return found;
}

/** What belongs to an instance, or to a box, is in no other one's inbox. */
export function findStrays(facts: Facts): Violation[] {
  const found: Violation[] = [];
  const boxes = new Map<string, string>();
  for (const { path, lines, net, name } of facts.inboxFiles) {
    for (const line of lines) {
      if (line.net !== net) {
        found.push({ promise: "one instance", text: `${line.id} of ${line.net} is in the inbox of ${net}: ${path}` });
      }
      const box = boxes.get(path) ?? line.toBox ?? "";
      boxes.set(path, box);
      if (line.toBox !== box || line.to !== name) {
        found.push({
          promise: "one box",
          text: `${line.id} for ${line.to} (${line.toBox}) is in the inbox of ${name} (${box}): ${path}`,
        });
      }
      const addressed = facts.sent.get(line.id)?.line.toBox;
      if (addressed !== undefined && addressed !== box) {
        found.push({
          promise: "one box",
          text: `${line.id} was sent to ${addressed}, and is in the inbox of ${box}: ${path}`,
        });
      }
    }
  }
  return found;
}

/** No process ends by itself, and nothing fails in a way that no error code stands for. */
export function findDeaths(facts: Facts): Violation[] {
  const deaths = ofKind(facts.records, "ended")
    .filter(({ expected }) => !expected)
    .map(({ network, name, detail }) => `the process of ${network}/${name} ended by itself: ${detail}`);
  const failures = ofKind(facts.records, "not-entered")
    .filter(({ code }) => code === null)
    .map(({ network, name, message }) => `${network}/${name} could not enter: ${message}`);
  const troubles = ofKind(facts.records, "trouble")
    .filter(({ code }) => code !== "state-unusable")
    .map(({ life, message }) => `${life} is in trouble: ${message}`);
  return [...deaths, ...failures, ...troubles].map((text) => ({ promise: "alive", text }));
}
