import type { Plugin } from "rolldown";

// The names that Pi's loader knows; see extension/index.ts, which gives the function below the same symbol.
const hostPackages = ["@earendil-works/pi-coding-agent", "@earendil-works/pi-tui", "typebox"];
const prefix = "\0host:";

/**
 * Lets a bundle take the packages that Pi supplies from the Pi that it runs in: they are no part of the bundle, and Node
 * finds them nowhere. The extension has put a function there that imports them as Pi does.
 */
export function takeFromHost(): Plugin {
  return {
    name: "host-packages",
    resolveId: (id) => (hostPackages.includes(id) ? { id: prefix + id, moduleSideEffects: false } : undefined),
    async load(id) {
      if (!id.startsWith(prefix)) return undefined;
      const name = id.slice(prefix.length);
      const names = Object.keys(await import(name)).filter((each) => each !== "default");
      return [
        `const host = await globalThis[Symbol.for("pilink-mqtt.host-packages")](${JSON.stringify(name)});`,
        // Under names of their own: one of these packages has a `Symbol`.
        ...names.map((each) => `const host_${each} = host.${each}; export { host_${each} as ${each} };`),
      ].join("\n");
    },
  };
}
