import type { ExtensionAPI } from "@earendil-works/pi-coding-agent";
import { Type } from "typebox";

/** What the tests of the support code load into a Pi: a tool, dialogs, injection. */
export default function testExtension(pi: ExtensionAPI): void {
  pi.registerTool({
    name: "double",
    label: "double",
    description: "Doubles a number.",
    parameters: Type.Object({ number: Type.Number() }),
    async execute(_id, { number }) {
      return { content: [{ type: "text", text: `doubled ${number * 2}` }], details: {} };
    },
  });
  pi.on("session_start", ({ reason }, ctx) => ctx.ui.setStatus("test", `session ${reason}`));
  pi.registerCommand("inject", {
    description: "Puts its text into the session.",
    handler: async (text, ctx) => {
      pi.sendMessage({ customType: "test", content: text, display: true, details: { text } }, { triggerTurn: false });
      ctx.ui.notify(`injected ${text}`);
    },
  });
  pi.registerCommand("ask", {
    description: "Opens every kind of dialog.",
    handler: async (_text, ctx) => {
      const choice = await ctx.ui.select("which", ["a", "b"]);
      const sure = await ctx.ui.confirm("sure", "really?");
      const typed = await ctx.ui.input("name");
      const edited = await ctx.ui.editor("text", "before");
      ctx.ui.notify(`chosen ${choice} ${sure} ${typed} ${edited}`, "warning");
    },
  });
}
