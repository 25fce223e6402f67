// What any extension costs: one command and one handler.
import type { ExtensionAPI } from "@earendil-works/pi-coding-agent";

export default function tenLines(pi: ExtensionAPI): void {
  pi.registerCommand("ten-lines", {
    description: "Says that it is there",
    handler: async (_line, ctx) => ctx.ui.notify("Here.", "info"),
  });
  pi.on("session_start", () => undefined);
}
