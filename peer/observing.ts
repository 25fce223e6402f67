import { parseAddress } from "../protocol/address.ts";
import type { PilinkError } from "../protocol/errors.ts";
import { newBox } from "../protocol/ids.ts";
import { topicRoot } from "../protocol/topics.ts";
import { readAuthorities } from "./certificate.ts";
import { type Delivered, Link } from "./link.ts";
import type { SearchPlace } from "./networks.ts";
import { defaults } from "./settings.ts";

/** What an observer is told. */
export interface ObserverPort {
  onMessage(delivered: Delivered): void;
  /** The connection was lost; it is made again. */
  onDown(reason: string): void;
  /** The connection is not made again. */
  onEnded(error: PilinkError): void;
}

/** Somebody who sees what goes over a broker, and is in no network. */
export interface Observer {
  /** The broker's address without credentials. */
  address: string;
  /** Idempotent. */
  close(): Promise<void>;
}

/**
 * Watches the traffic of a network, or of all, as far as the account may read it. Nobody sees the observer.
 *
 * @param network undefined for all
 * @throws PilinkError `broker-*`, `bad-config`, `connection-lost`
 */
export async function observe(
  place: Omit<SearchPlace, "home">,
  network: string | undefined,
  port: ObserverPort,
): Promise<Observer> {
  const address = parseAddress(place.url);
  const link = new Link({
    url: address.url,
    username: place.username ?? address.username,
    password: place.password ?? address.password,
    ca: place.ca === undefined ? undefined : readAuthorities(place.ca),
    clientId: `pls${newBox()}`,
    clean: true,
    keepaliveMs: defaults.keepaliveMs,
    onMessage: (delivered) => port.onMessage(delivered),
  });
  const filters = [network === undefined ? `${topicRoot}/#` : `${topicRoot}/${network}/#`];
  try {
    await link.open();
    await link.subscribe(filters);
  } catch (error) {
    await link.close();
    throw error;
  }
  link.events.on("down", ({ reason }) => port.onDown(reason));
  link.events.on("ended", (error) => port.onEnded(error));
  // A subscription that is lost with the next connection is made again on the one after it.
  link.events.on("up", () => void link.subscribe(filters).catch(() => undefined));
  return { address: link.address, close: () => link.close() };
}
