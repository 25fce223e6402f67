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
