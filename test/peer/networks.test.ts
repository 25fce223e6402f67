import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { createNetwork, joinNetwork } from "../../peer/network.ts";
import { findNetworks } from "../../peer/networks.ts";
import type { Peer } from "../../peer/peer.ts";
import { findMosquitto, startMosquitto } from "../support/brokers.ts";
import { stopEverything } from "../support/cleanup.ts";
import { freePort } from "../support/network.ts";
import { rawMqtt } from "../support/raw-mqtt.ts";
import { temporaryHome } from "../support/temporary-home.ts";

const installed = findMosquitto() !== undefined;
const required = process.env.PILINK_REQUIRE_BROKERS === "1";
const title = "findNetworks";

describe.skipIf(!installed && !required)(installed ? title : `${title} (skipped: Mosquitto is not installed)`, () => {
  let home: string;
  let url: string;
  const peers: Peer[] = [];

  beforeAll(async () => {
    home = (await temporaryHome()).path;
    url = (await startMosquitto()).url;
  });
  afterEach(async () => {
    for (const peer of peers.splice(0).reverse()) await peer.leave();
  });
  afterAll(stopEverything);

  async function enter(
    kind: "create" | "join",
    network: string,
    name: string,
    about?: string,
    at = url,
  ): Promise<Peer> {
    const peer = await (kind === "create" ? createNetwork : joinNetwork)({
      network,
      name,
      nameChosen: true,
      home,
      url: at,
      managed: false,
      folder: home,
      ...(about === undefined ? {} : { about }),
    });
    peers.push(peer);
    return peer;
  }

  it("finds nothing on an empty broker", async () => {
    expect(await findNetworks({ home, url })).toEqual([]);
  });

  it("finds the networks that live, with their hosts and how many are there, and leaves nothing behind", async () => {
    await enter("create", "lab", "dev", "the login");
    await enter("create", "den", "ops");
    await enter("join", "lab", "prod");
    const gone = await enter("create", "gone", "dev");
    await gone.leave();
    const watcher = await rawMqtt(url);
    await watcher.subscribe("pilink/#");
    expect(await findNetworks({ home, url })).toEqual([
      { network: "den", host: "ops", isOpen: true, agents: 1, about: undefined },
      { network: "lab", host: "dev", isOpen: true, agents: 2, about: "the login" },
    ]);
    const late = await rawMqtt(url);
    await late.subscribe("pilink/#");
    await late.waitFor("pilink/lab/dev/presence");
    expect(late.messages("pilink/lab/+/control")).toEqual([]);
  });

  it("tells of a host that does not answer, and not of what is no record", async () => {
    const raw = await rawMqtt(url);
    const record = {
      v: 1,
      net: "n1",
      epoch: "e1",
      conn: 1,
      box: "b1",
      kind: "host",
      keepalive: 10_000,
      since: 1,
      state: "lost",
    };
    const put = (topic: string, value: unknown) =>
      raw.publish(topic, typeof value === "string" ? value : JSON.stringify(value), { retain: true });
    await put("pilink/away/dev/presence", record);
    await put("pilink/away/prod/presence", { ...record, kind: "member", state: "online", epoch: "e2" });
    await put("pilink/closed/dev/presence", { ...record, net: "n2" });
    await put("pilink/closed/_all/presence", { v: 1, state: "closed", net: "n2", by: "prod", at: 1 });
    await put("pilink/noise/dev/presence", "hello");
    await put("pilink/later/dev/presence", { ...record, v: 2 });
    await put("pilink/NOT A NAME/dev/presence", record);
    await put("pilink/hostless/prod/presence", { ...record, kind: "member", state: "online" });
    expect(await findNetworks({ home, url })).toEqual([
      { network: "away", host: "dev", isOpen: false, agents: 1, about: undefined },
    ]);
  });

  it("says why nothing can be seen", async () => {
    const free = await freePort();
    await expect(findNetworks({ home, url: `mqtt://127.0.0.1:${free}` })).rejects.toMatchObject({
      code: "broker-unreachable",
    });
    await expect(findNetworks({ home, url, ca: join(home, "none.pem") })).rejects.toMatchObject({ code: "bad-config" });
  });

  it("sees what the account may see, where a broker keeps the rest from it", async () => {
    const rules = join(home, "rules.acl");
    await writeFile(rules, "topic readwrite pilink/lab/#\n", { mode: 0o644 });
    const kept = await startMosquitto({ config: `allow_anonymous true\nacl_file ${rules}` });
    await enter("create", "lab", "dev", undefined, kept.url);
    expect(await findNetworks({ home, url: kept.url })).toMatchObject([{ network: "lab", isOpen: true }]);
  });
});
