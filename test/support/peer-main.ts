// The process behind `startPeer`: one peer, driven by its parent over IPC.
import { z } from "zod";
import { createNetwork, joinNetwork } from "../../peer/network.ts";
import type { Peer } from "../../peer/peer.ts";
import { messageOf, PilinkError } from "../../protocol/errors.ts";
import type { ProcessEnterOptions, ProcessOutgoing } from "./peer-process.ts";

const isObject = (value: unknown) => typeof value === "object" && value !== null;
const requestSchema = z.discriminatedUnion("call", [
  z.object({ id: z.int(), call: z.literal("create"), options: z.custom<ProcessEnterOptions>(isObject) }),
  z.object({ id: z.int(), call: z.literal("join"), options: z.custom<ProcessEnterOptions>(isObject) }),
  z.object({ id: z.int(), call: z.literal("send"), outgoing: z.custom<ProcessOutgoing>(isObject) }),
  z.object({ id: z.int(), call: z.literal("markInjected"), ids: z.array(z.string()), session: z.string() }),
  z.object({ id: z.int(), call: z.enum(["roster", "confirmRoster", "inbox", "sent", "status", "leave"]) }),
]);
type Request = z.infer<typeof requestSchema>;

const eventNames = [
  "message",
  "joined",
  "returned",
  "departed",
  "lost",
  "suspended",
  "resumed",
  "closed",
  "displaced",
  "connected",
  "disconnected",
  "sent",
  "rejected",
  "trouble",
] as const;

let entered: Peer | undefined;

async function obey(request: Request): Promise<unknown> {
  if (request.call === "create" || request.call === "join") {
    const enter = request.call === "create" ? createNetwork : joinNetwork;
    const peer = await enter(request.options);
    for (const name of eventNames) peer.events.on(name, (...args: unknown[]) => tell({ event: name, args }));
    entered = peer;
    return peer.status();
  }
  if (entered === undefined) throw new PilinkError("not-joined", `${request.call} before create or join.`);
  if (request.call === "send") return entered.send(request.outgoing);
  if (request.call === "markInjected") return entered.markInjected(request.ids, request.session);
  return entered[request.call]();
}

/** An error does not survive JSON by itself. */
function plain(value: unknown): unknown {
  const text = JSON.stringify(value, (_key, part: unknown) =>
    part instanceof Error ? { code: codeOf(part), message: part.message } : part,
  );
  return text === undefined ? null : JSON.parse(text);
}

function codeOf(error: unknown): string | null {
  return error instanceof PilinkError ? error.code : null;
}

function tell(what: Record<string, unknown>): void {
  process.send?.(plain(what));
}

process.on("message", (message) => {
  const request = requestSchema.parse(message);
  obey(request).then(
    (value) => tell({ re: request.id, value: value ?? null }),
    (error: unknown) => tell({ re: request.id, error: { code: codeOf(error), message: messageOf(error) } }),
  );
});
process.on("disconnect", () => process.exit(0));
