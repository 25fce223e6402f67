import type { ExtensionAPI } from "@earendil-works/pi-coding-agent";

/** Another extension that happens to have a `/pilink` too. */
export default function otherExtension(pi: ExtensionAPI): void {
  pi.registerCommand("pilink", {
    description: "Something else.",
    handler: async (_line, ctx) => ctx.ui.notify("something else"),
  });
}
