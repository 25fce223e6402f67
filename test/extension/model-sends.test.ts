import { describe, expect, it } from "vitest";
import { ModelSends, type SendScene } from "../../extension/model-sends.ts";
import { Reading } from "../../extension/reading.ts";
import { readModelMessage } from "../../peer/model-tools.ts";
import type { Outgoing, SendOutcome } from "../../peer/peer.ts";
import { readPreferences } from "../../peer/preferences.ts";
import { FakePeer, makeLine } from "./fake-peer.ts";

/** A peer that notes whom it sends to. */
class NotingPeer extends FakePeer {
  readonly receivers: string[] = [];

  override async send({ to }: Outgoing): Promise<SendOutcome[]> {
    const names = to === "all" ? this.lines.flatMap(({ name, isSelf }) => (isSelf ? [] : [name])) : [to].flat();
    this.receivers.push(...names);
    return names.map((name) => ({ to: name, id: `id-${this.receivers.length}`, state: "received" }));
  }
}

function sceneOf(peer: NotingPeer, confirm?: () => Promise<boolean>): SendScene {
  return {
    peer,
    preferences: readPreferences({ confirm: confirm !== undefined }),
    ctx: {
      hasUI: confirm !== undefined,
      ui: { select: async (_title, options) => options[(await confirm?.()) === true ? 1 : 0] },
    },
    signal: undefined,
    onAsking: () => undefined,
  };
}

describe("ModelSends", () => {
  it("lets one of two go that are sent side by side with one text [SESS-13]", async () => {
    const peer = new NotingPeer();
    const sends = new ModelSends(new Reading());
    const message = readModelMessage({ to: "prod", body: "the same" });
    const outcomes = await Promise.all([1, 2].map(() => sends.send(message, sceneOf(peer))));
    expect(peer.receivers).toEqual(["prod"]);
    expect(outcomes.flat().map(({ state, error }) => [state, error?.code])).toEqual([
      ["received", undefined],
      ["refused", "too-many"],
    ]);
  });

  it("takes one name for one receiver, however it is written [SESS-13]", async () => {
    const peer = new NotingPeer();
    const sends = new ModelSends(new Reading());
    for (const to of ["prod", "Prod", ["PROD", " prod"], "prod,Prod"]) {
      await sends.send(readModelMessage({ to, body: "the same" }), sceneOf(peer));
    }
    expect(peer.receivers).toEqual(["prod"]);
  });

  it("sends to those whom the person agreed to, and not to who joined meanwhile", async () => {
    const peer = new NotingPeer();
    peer.lines.push(makeLine("prod"));
    const sends = new ModelSends(new Reading());
    const confirm = async () => {
      peer.lines.push(makeLine("stranger"));
      return true;
    };
    await sends.send(readModelMessage({ to: "all", body: "only for prod" }), sceneOf(peer, confirm));
    expect(peer.receivers).toEqual(["prod"]);
  });
});
