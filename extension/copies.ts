// Symbols of the registry are the one thing that two copies of this module in one process have in common.
const key = Symbol.for("pilink-mqtt.extension");
const refusedKey = Symbol.for("pilink-mqtt.extension.refused");

/**
 * Claims this Pi for one copy of the extension.
 *
 * @param path where the copy was loaded from
 * @returns undefined if it may register itself, otherwise the path of the copy that did
 */
export function claimCopy(path: string): string | undefined {
  const holder: unknown = Reflect.get(globalThis, key);
  if (typeof holder === "string" && holder !== path) {
    Reflect.set(globalThis, refusedKey, [...new Set([...refusedCopies(), path])]);
    return holder;
  }
  Reflect.set(globalThis, key, path);
  return undefined;
}

/** Gives the claim up, so that after /reload another copy may be the only one. */
export function releaseCopy(path: string): void {
  if (Reflect.get(globalThis, key) !== path) return;
  Reflect.deleteProperty(globalThis, key);
  // Which copies there are is found out anew.
  Reflect.deleteProperty(globalThis, refusedKey);
}

/** The paths of the copies that were loaded into this Pi and do nothing, because another one was there. */
export function refusedCopies(): string[] {
  const refused: unknown = Reflect.get(globalThis, refusedKey);
  return Array.isArray(refused) ? refused.filter((path) => typeof path === "string") : [];
}
