import { type ExtensionContext, ExtensionInputComponent } from "@earendil-works/pi-coding-agent";
import { isPilinkError } from "../protocol/errors.ts";

/**
 * Asks for a line until it fits. What did not fit stands in the line again, so that it can be changed.
 *
 * @param offer what an empty line stands for
 * @param read throws a PilinkError that says what is wrong: then the question is asked again, with that
 * @returns undefined where the person gave up
 */
export async function askLine<Value>(
  ctx: ExtensionContext,
  title: string,
  offer: string | undefined,
  read: (text: string) => Value,
): Promise<Value | undefined> {
  let rejected: string | undefined;
  for (let reason = ""; ; ) {
    const again = ctx.mode === "tui" ? rejected : undefined;
    const hint = offer === undefined || again !== undefined ? "" : ` (Enter for "${offer}")`;
    const shown = `${reason}${title}${hint}`;
    const typed = await (again === undefined ? ctx.ui.input(shown, rejected ?? offer) : askAgain(ctx, shown, again));
    if (typed === undefined) return undefined;
    const text = typed.trim() === "" ? offer : typed.trim();
    rejected = text;
    try {
      if (text !== undefined) return read(text);
      reason = "Nothing was typed.\n";
    } catch (error) {
      if (!isPilinkError(error)) throw error;
      reason = `${error.message}\n`;
    }
  }
}

/** Pi's own question for a line begins with an empty one in the terminal. This is the same with a text in it. */
function askAgain(ctx: ExtensionContext, title: string, rejected: string): Promise<string | undefined> {
  return ctx.ui.custom<string | undefined>((tui, _theme, _keys, done) => {
    const question = new ExtensionInputComponent(title, undefined, done, () => done(undefined), { tui });
    // As if it were typed: that leaves the cursor at its end.
    question.handleInput(rejected);
    return question;
  });
}
