/** The first topic level of everything that this project publishes. */
const rootLevel = "pilink/";

/**
 * Where a forbidden publish goes: nobody can read it.
 *
 * It stands below `$SYS/` because that is the only prefix that Aedes keeps from the offline queue of a persistent
 * session that is subscribed to `#` (its `enqueueOffline` filters for `$SYS/` and for no other `$` topic).
 */
export const deadEndTopic = "$SYS/nowhere";

/** What a refused filter is replaced with, so that nothing is ever delivered by it. */
export const refusedFilter = "$SYS/refused";

/**
 * Whether a client may publish to a topic. All that this broker is there for lies below `pilink/`.
 *
 * @param topic a topic name, of a PUBLISH or of a will (Aedes does not check a will's topic for wildcards)
 */
export function mayPublish(topic: string): boolean {
  return topic.startsWith(rootLevel) && topic.length > rootLevel.length && !/[+#\0]/.test(topic);
}

/**
 * Whether a client may subscribe to a filter. Refused is all that begins with `$`:
 * Aedes tells below `$SYS/` every client's id and subscriptions to whoever subscribes, and takes `$share/…`
 * for a literal topic, so that such a subscriber would wait in silence for ever.
 *
 * @param filter a topic filter
 */
export function maySubscribe(filter: string): boolean {
  return !filter.startsWith("$");
}
