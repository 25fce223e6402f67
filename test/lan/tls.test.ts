import { readFile, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { failureOf, type Part, prepareStage } from "../contract/stage.ts";
import { stopEverything } from "../support/cleanup.ts";
import { type Lan, startLan, teamPassword } from "./lan.ts";
import { type Certificates, makeCertificates } from "./recipe.ts";
import { describeLan } from "./suite.ts";

const account = { username: "pilink", password: teamPassword };
const schemes = [
  { scheme: "mqtts", port: 8883 },
  { scheme: "wss", port: 9001 },
];

describeLan("the LAN's broker with TLS", () => {
  let good: (Certificates & { lan: Lan }) | undefined;
  const running = () => {
    if (good === undefined) throw new Error("The broker runs only inside of tests and hooks.");
    return good;
  };
  const start = async (names?: string, days?: number) => {
    const certificates = await makeCertificates(names, days);
    return { ...certificates, lan: await startLan({}, { certificates: certificates.folder }) };
  };
  beforeAll(async () => {
    good = await start();
  });
  afterAll(stopEverything);

  /** Tries to create a network, and tells why it failed. */
  const refusal = async (url: string, part: Part, onTestFinished: (end: () => Promise<void>) => void) => {
    const stage = await prepareStage(url, onTestFinished);
    const failure = await failureOf(stage.create("dev", { ...account, ...part }));
    expect(failure.message).not.toContain(teamPassword);
    return failure;
  };

  it("lets members talk whose authority is the right one, given as a file or as text", async ({ onTestFinished }) => {
    const { lan, authority } = running();
    const stage = await prepareStage(lan.url(8883, "mqtts"), onTestFinished);
    const dev = await stage.create("dev", { ...account, ca: authority });
    const ca = await readFile(authority, "utf8");
    const prod = await stage.join("prod", {
      ...account,
      ca,
      url: lan.url(9001, "wss").replace("127.0.0.1", "localhost"),
    });
    await dev.until(({ name, value }) => name === "joined" && value.name === "prod");
    expect(await dev.peer.send({ to: "prod", body: "hello" })).toMatchObject([{ state: "received" }]);
    expect(await prod.peer.send({ to: "dev", body: "hello" })).toMatchObject([{ state: "received" }]);
    expect(await lan.checkHealth()).toBe(0);
  });

  it.for(schemes)(
    "names a certificate that nobody here trusts: $scheme",
    async ({ scheme, port }, { onTestFinished }) => {
      const { lan } = running();
      const other = await makeCertificates();
      for (const part of [{}, { ca: other.authority }]) {
        const failure = await refusal(lan.url(port, scheme), part, onTestFinished);
        expect(failure.code).toBe("broker-certificate");
        expect(failure.message).toContain("is signed by no authority that is trusted here");
        expect(failure.message).toContain("PILINK_CA");
      }
    },
  );

  it("names a certificate that has expired", async ({ onTestFinished }) => {
    const { lan, authority } = await start(undefined, -1);
    for (const { scheme, port } of schemes) {
      const failure = await refusal(lan.url(port, scheme), { ca: authority }, onTestFinished);
      expect(failure.code).toBe("broker-certificate");
      expect(failure.message).toMatch(/has expired\. .*check this machine's clock/);
    }
  });

  it("names a certificate of another host, and whose it is", async ({ onTestFinished }) => {
    const { lan, authority } = await start("DNS:broker.lan,IP:192.168.1.20");
    for (const { scheme, port } of schemes) {
      const failure = await refusal(lan.url(port, scheme), { ca: authority }, onTestFinished);
      expect(failure.code).toBe("broker-certificate");
      expect(failure.message).toContain(`${scheme}://127.0.0.1:${lan.container.port(port)} is for "DNS:broker.lan`);
      expect(failure.message).toContain("192.168.1.20");
    }
  });

  it("names an authority that cannot be read, and a port where TLS meets none", async ({ onTestFinished }) => {
    const { lan, authority } = running();
    const url = lan.url(8883, "mqtts");
    const missing = await refusal(url, { ca: "/nowhere/ca.crt" }, onTestFinished);
    expect(missing.code).toBe("bad-config");
    expect(missing.message).toContain('"/nowhere/ca.crt"');
    const empty = join(dirname(authority), "empty.crt");
    await writeFile(empty, "no certificate\n");
    const wrong = await refusal(url, { ca: empty }, onTestFinished);
    expect(wrong.code).toBe("bad-config");
    expect(wrong.message).toContain("PEM");

    // Port 1883 speaks no TLS here, and 8883 nothing else.
    const tlsToPlain = await refusal(lan.url(1883, "mqtts"), { ca: authority }, onTestFinished);
    const plainToTls = await refusal(lan.url(8883), {}, onTestFinished);
    for (const { code, message } of [tlsToPlain, plainToTls]) {
      expect(code).toBe("broker-not-mqtt");
      expect(message).toContain("with TLS 8883");
    }
  });
});
