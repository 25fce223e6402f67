// The process behind `startActor`: one peer after another at one place, driven by the torture over IPC.
import { z } from "zod";
import { createNetwork, joinNetwork } from "../peer/network.ts";
import type { InboxEntry, Peer } from "../peer/peer.ts";
import { messageOf, PilinkError } from "../protocol/errors.ts";
import { askSchema, type Look } from "./actor-wire.ts";
import { historyWriter, type Shown } from "./history.ts";

const [historyPath = "", network = "", name = ""] = process.argv.slice(2);
const note = historyWriter(historyPath);
const bodySchema = z.object({ token: z.string() });

let entered: Peer | undefined;
let injects = false;
/** The last message of each peer, to be answered. */
const lastFrom = new Map<string, string>();

function show({ id, body, late, envelope }: InboxEntry): Shown {
  const { net, fromBox, seq } = envelope;
  return {
    id,
    token: bodySchema.safeParse(body).data?.token ?? null,
    net: typeof net === "string" ? net : null,
    fromBox: typeof fromBox === "string" ? fromBox : null,
    seq: typeof seq === "number" ? seq : null,
    late,
  };
}

function codeOf(error: unknown): string | null {
  return error instanceof PilinkError ? error.code : null;
}

async function enter(ask: Extract<z.infer<typeof askSchema>, { call: "enter" }>): Promise<void> {
  injects = ask.injects;
  let peer: Peer;
  try {
    const enterWith = ask.creates ? createNetwork : joinNetwork;
    peer = await enterWith({ ...ask.options, nameChosen: true, managed: false });
  } catch (error) {
    note({ kind: "not-entered", network, name, code: codeOf(error), message: messageOf(error) });
    throw error;
  }
  const { epoch: life, net, box, kind: role } = peer;
  entered = peer;
  const inject = (ids: string[]) => {
    if (!injects || ids.length === 0) return;
    note({ kind: "injecting", life, ids });
    peer.markInjected(ids, life);
  };
  const goOut = () => {
    // What fired is the start of the end: the state folder is free, and the record away, when `leave` is done.
    void peer.leave().then(() => {
      if (entered === peer) entered = undefined;
      note({ kind: "out", life });
      process.send?.({ event: "out" });
    });
  };
  const { events } = peer;
  events.on("message", (entry) => {
    note({ kind: "message", life, shown: show(entry) });
    if (entry.from !== undefined) lastFrom.set(entry.from, entry.id);
    inject([entry.id]);
  });
  events.on("sent", ({ id, to, state, reason }) =>
    note({ kind: "state", life, id, to, state, reason: reason ?? null }),
  );
  events.on("suspended", () => note({ kind: "verdict", life, verdict: "suspended", reason: null }));
  events.on("resumed", () => note({ kind: "verdict", life, verdict: "resumed", reason: null }));
  events.on("closed", ({ reason }) => {
    note({ kind: "verdict", life, verdict: "closed", reason });
    goOut();
  });
  events.on("displaced", (error) => {
    note({ kind: "verdict", life, verdict: "displaced", reason: error.message });
    goOut();
  });
  events.on("connected", () => note({ kind: "link", life, up: true }));
  events.on("disconnected", () => note({ kind: "link", life, up: false }));
  events.on("trouble", (error) => note({ kind: "trouble", life, code: codeOf(error), message: messageOf(error) }));
  events.on("rejected", ({ topic, error }) =>
    note({ kind: "rejected", life, topic, message: error.message.slice(0, 300) }),
  );
  const inbox = peer.inbox();
  note({ kind: "entered", network, name, life, net, box, role, inbox: inbox.map(show) });
  inject(inbox.filter(({ state }) => state === "unread").map(({ id }) => id));
  if (peer.state === "closed" || peer.state === "left") {
    note({ kind: "verdict", life, verdict: "closed", reason: "it closed while it was entered" });
    goOut();
  }
}

async function send(ask: Extract<z.infer<typeof askSchema>, { call: "send" }>): Promise<void> {
  const peer = entered;
  if (peer === undefined) return;
  const { epoch: life } = peer;
  const { to, token, ttlMs } = ask;
  const answered = ask.answers && Array.isArray(to) ? lastFrom.get(to[0] ?? "") : undefined;
  note({ kind: "sending", life, token, re: answered ?? null });
  try {
    const outcomes = await peer.send({
      to,
      body: { token, pad: "x".repeat(ask.padBytes) },
      waitMs: 2_000,
      ...(ttlMs === null ? {} : { ttlMs }),
      ...(answered === undefined ? {} : { re: answered }),
    });
    for (const outcome of outcomes) {
      const { id, state, error } = outcome;
      note({ kind: "told", life, token, to: outcome.to, id: id ?? null, state, code: codeOf(error) });
    }
  } catch (error) {
    const code = codeOf(error);
    note({ kind: "told", life, token, to: "", id: null, state: "refused", code });
    // A refusal has a code; anything else is a fault of the peer, and must be seen.
    if (code === null) note({ kind: "trouble", life, code, message: messageOf(error) });
  }
}

function look(): Look | null {
  if (entered === undefined) return null;
  const { epoch, net, state } = entered;
  const { connected, waiting } = entered.status();
  const roster = entered.roster().map((entry) => ({
    name: entry.name,
    epoch: entry.presence.epoch,
    state: entry.state,
  }));
  return { epoch, net, state, connected, waiting, roster };
}

function testify(): void {
  const said = look();
  if (entered === undefined || said === null) return;
  const { net, state, roster, epoch: life } = said;
  const inbox = entered.inbox().map(show);
  note({ kind: "testimony", network, name, life, net, box: entered.box, state, roster, inbox });
}

async function obey(ask: z.infer<typeof askSchema>): Promise<unknown> {
  if (ask.call === "enter") await enter(ask);
  else if (ask.call === "send") await send(ask);
  else if (ask.call === "look") return look();
  else if (ask.call === "testify") testify();
  else {
    const peer = entered;
    await peer?.leave();
    if (peer !== undefined && entered === peer) {
      entered = undefined;
      note({ kind: "out", life: peer.epoch });
    }
  }
  return null;
}

process.on("message", (message) => {
  const ask = askSchema.parse(message);
  obey(ask).then(
    (value) => process.send?.({ re: ask.id, value }),
    (error: unknown) => process.send?.({ re: ask.id, error: { code: codeOf(error), message: messageOf(error) } }),
  );
});
process.on("disconnect", () => process.exit(0));
