import { describe, expect, it } from "vitest";
import { isPrivateHost, parseAddress } from "../../protocol/address.ts";

describe("isPrivateHost", () => {
  it.each([
    "localhost",
    "dev.localhost",
    "127.0.0.1",
    "127.9.9.9",
    "10.0.0.1",
    "172.16.0.1",
    "172.31.255.255",
    "192.168.1.20",
    "169.254.3.4",
    "100.64.0.1",
    "100.100.100.100",
    "100.127.255.255",
    "::1",
    "fc00::1",
    "fd12:3456::1",
    "fe80::1",
    "febf::1",
    "::ffff:c0a8:114",
    "broker.tail1234.ts.net",
    "nas.local",
    "NAS.LOCAL",
    "nas.local.",
    "broker.home.arpa",
    "broker.lan",
    "broker.internal",
    "mosquitto",
    "raspberrypi",
  ])("is true for %s", (host) => expect(isPrivateHost(host)).toBe(true));

  it.each([
    "8.8.8.8",
    "11.0.0.1",
    "172.15.0.1",
    "172.32.0.1",
    "192.169.0.1",
    "100.63.255.255",
    "100.128.0.1",
    "0.0.0.0",
    "2001:db8::1",
    "fec0::1",
    "fb00::1",
    "::ffff:808:808",
    "broker.example",
    "ts.net.example",
    "local.example",
    "evil-ts.net",
    "10.0.0.1.example",
    "127.0.0.1.nip.io",
    // Other ways to write an address, which resolvers read in different ways: 010.0.0.1 is 8.0.0.1 for some.
    "010.0.0.1",
    "0x0a000001",
    "134744072",
    "10.1",
    "256.1.1.1",
  ])("is false for %s", (host) => expect(isPrivateHost(host)).toBe(false));
});

describe("parseAddress", () => {
  it.each([
    ["mqtts://broker.example", true],
    ["wss://broker.example/mqtt", true],
    ["mqtt://broker.example", false],
    ["ws://broker.example", false],
    ["broker.example", false],
  ])("says of %s whether it is encrypted", (url, isEncrypted) => {
    expect(parseAddress(url)).toMatchObject({ host: "broker.example", isEncrypted });
  });

  it("gives an address of IPv6 as it can be judged", () => {
    for (const [url, host] of [
      ["mqtt://[FE80::1]:1883", "fe80::1"],
      ["ws://[::ffff:10.0.0.1]", "::ffff:a00:1"],
    ] as const) {
      expect(parseAddress(url).host).toBe(host);
      expect(isPrivateHost(host)).toBe(true);
    }
  });
});
