import { afterEach } from "vitest";
import { createNetwork, type NetworkPeer } from "../../library/index.ts";
import type { useShell } from "./shell.ts";

/** A program that hosts the networks of a file of tests, one at a time; each ends with its test. */
export interface Host {
  /** The network that was opened last. */
  readonly network: string;
  /** Creates a network that no other test uses, as "dev". */
  open(): Promise<NetworkPeer>;
}

/** Prepares a host in the broker of a shell. @param prefix what its networks' names begin with */
export function useHost(shell: ReturnType<typeof useShell>, prefix: string): Host {
  let opened = 0;
  let network = "";
  let peer: NetworkPeer | undefined;
  afterEach(async () => {
    await peer?.close();
    peer = undefined;
  });
  return {
    get network() {
      return network;
    },
    async open() {
      opened += 1;
      network = `${prefix}-${opened}`;
      peer = await createNetwork({ network, name: "dev", url: shell.url(), home: shell.state() });
      return peer;
    },
  };
}
