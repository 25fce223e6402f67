import type { ExtensionAPI } from "@earendil-works/pi-coding-agent";

/** What the tests load beside pilink's own extension: the way to /reload that RPC mode does not have. */
export default function reloading(pi: ExtensionAPI): void {
  pi.registerCommand("reload-now", {
    description: "Reloads the extensions.",
    handler: async (_line, ctx) => {
      await ctx.reload();
    },
  });
}
