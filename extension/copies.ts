// A symbol of the registry is the one thing that two copies of this module in one process have in common.
const key = Symbol.for("pilink-mqtt.extension");

/**
 * Claims this Pi for one copy of the extension.
 *
 * @param path where the copy was loaded from
 * @returns undefined if it may register itself, otherwise the path of the copy that did
 */
export function claimCopy(path: string): string | undefined {
  const holder: unknown = Reflect.get(globalThis, key);
  if (typeof holder === "string" && holder !== path) return holder;
  Reflect.set(globalThis, key, path);
  return undefined;
}

/** Gives the claim up, so that after /reload another copy may be the only one. */
export function releaseCopy(path: string): void {
  if (Reflect.get(globalThis, key) === path) Reflect.deleteProperty(globalThis, key);
}
