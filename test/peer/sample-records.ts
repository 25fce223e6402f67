import type { Envelope } from "../../protocol/envelope.ts";
import type { Presence } from "../../protocol/presence.ts";

/** The instance of the records made here. */
export const sampleNet = "0m5k2v9xq7h3n8d1c4ze";

/** A presence record of a member; what matters to a test is given. */
export function presenceOf(parts: Partial<Presence> = {}): Presence {
  return {
    v: 1,
    state: "online",
    net: sampleNet,
    epoch: "e1",
    conn: 1,
    box: "box1",
    kind: "member",
    keepalive: 10_000,
    since: 1_795_239_990_000,
    ...parts,
  };
}

/** A complete envelope from dev to prod; what matters to a test is given. */
export function envelopeOf(parts: Partial<Envelope> = {}): Envelope {
  return {
    v: 1,
    id: "m1",
    net: sampleNet,
    from: "dev",
    fromEpoch: "e-dev",
    fromBox: "box-dev",
    to: "prod",
    toEpoch: "e-prod",
    toBox: "box-prod",
    re: null,
    type: "message",
    body: "Can you review the diff?",
    seq: 1,
    base: 1,
    at: 1_795_240_000_000,
    trace: "m1",
    hops: 0,
    ...parts,
  };
}
