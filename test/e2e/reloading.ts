import type { ExtensionAPI } from "@earendil-works/pi-coding-agent";

/** What the tests load beside pilink's own extension: the ways to /reload and /tree that RPC mode does not have. */
export default function reloading(pi: ExtensionAPI): void {
  pi.registerCommand("reload-now", {
    description: "Reloads the extensions.",
    handler: async (_line, ctx) => {
      await ctx.reload();
    },
  });
  pi.registerCommand("go-back", {
    description: "Goes back to the first answer of the session.",
    handler: async (_line, ctx) => {
      const answer = ctx.sessionManager
        .getBranch()
        .find((entry) => entry.type === "message" && entry.message.role === "assistant");
      if (answer !== undefined) await ctx.navigateTree(answer.id);
    },
  });
}
