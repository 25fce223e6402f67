import type { ExtensionContext } from "@earendil-works/pi-coding-agent";
import { type Component, type Focusable, Input, Text } from "@earendil-works/pi-tui";
import { isPilinkError } from "../protocol/errors.ts";

/** An account on a broker. */
export interface Account {
  username: string;
  password: string;
}

/**
 * Asks the person for an account where a broker wants one and none is set. Only in the terminal, where the password can
 * be kept from the screen; it is kept in memory for this connection only.
 *
 * @param fault why the broker could not be used
 * @param isSet true where an account is set: then that one is wrong, which the fault says
 * @param address the broker, for the person
 * @returns undefined where nobody was asked, or the person gave up
 */
export async function askAccount(
  ctx: ExtensionContext,
  fault: unknown,
  isSet: boolean,
  address: string,
): Promise<Account | undefined> {
  if (!isPilinkError(fault) || fault.code !== "broker-credentials" || isSet || ctx.mode !== "tui") return undefined;
  const username = await ctx.ui.input(`User name on the broker ${address}`);
  if (username === undefined || username === "") return undefined;
  const password = await ctx.ui.custom<string | undefined>(
    (_tui, theme, _keys, done) =>
      new PasswordDialog(theme.fg("accent", `Password of ${username} (not shown, not stored)`), done),
  );
  return password === undefined ? undefined : { username, password };
}

/** One line of input that shows a dot for each character. */
class PasswordDialog implements Component, Focusable {
  readonly #title: Text;
  readonly #input = new Input();
  focused = false;

  constructor(title: string, done: (password: string | undefined) => void) {
    this.#title = new Text(title, 1, 0);
    this.#input.onSubmit = done;
    this.#input.onEscape = () => done(undefined);
  }

  handleInput(data: string): void {
    this.#input.handleInput(data);
  }

  invalidate(): void {
    this.#title.invalidate();
  }

  render(width: number): string[] {
    const shown = new Input();
    shown.focused = this.focused;
    for (const _ of this.#input.getValue()) shown.handleInput("•");
    return [...this.#title.render(width), ...shown.render(width)];
  }
}
