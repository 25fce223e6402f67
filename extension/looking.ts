import { brokerStatus } from "../broker/managed.ts";
import { type FoundNetwork, findNetworks } from "../peer/networks.ts";
import type { Settings } from "../peer/settings.ts";
import { parseAddress } from "../protocol/address.ts";
import { isPilinkError, type PilinkError } from "../protocol/errors.ts";

/** What a look at a broker showed. */
export interface Look {
  networks: FoundNetwork[];
  /** Why nothing can be seen there. */
  fault: PilinkError | undefined;
}

/**
 * Looks which networks are on the broker that the settings name. Nothing is started for it: where this home's own
 * broker does not run there is nothing to see, and no fault.
 *
 * @throws PilinkError `bad-config`, `state-unusable`: what is wrong on this side of the connection
 */
export async function lookAround(home: string, { url, username, password, ca }: Settings): Promise<Look> {
  const isOwn = url === undefined || parseAddress(url).isStartable;
  const status = isOwn ? await brokerStatus({ home, url }) : undefined;
  const address = url ?? (status?.running === true ? status.url : undefined);
  if (address === undefined) return { networks: [], fault: undefined };
  try {
    return { networks: await findNetworks({ home, url: address, username, password, ca }), fault: undefined };
  } catch (error) {
    if (!isPilinkError(error) || !(error.code.startsWith("broker-") || error.code === "connection-lost")) throw error;
    // One that can be started will be, when a network is created there.
    if (isOwn && error.code === "broker-unreachable") return { networks: [], fault: undefined };
    return { networks: [], fault: error };
  }
}
