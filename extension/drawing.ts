import type { EntryRenderer, MessageRenderer } from "@earendil-works/pi-coding-agent";

/** The `customType` of the entry that draws a message that a person sent. */
export const sentType = "pilink-sent";

/** The `customType` of an entry that holds a notice which later ones must not replace. */
export const noticeType = "pilink-notice";

/** Whether a session holds anything of this extension: a message, a notice, or what it keeps of what was sent. */
export function isTouched(entries: readonly { type: string; customType?: string }[]): boolean {
  return entries.some(({ type, customType }) => type.startsWith("custom") && customType?.startsWith("pilink"));
}

/** What draws the messages and entries of this extension in a session. */
export interface Drawings {
  renderMessage: MessageRenderer;
  renderGo: MessageRenderer;
  renderSent: EntryRenderer;
  renderNotice: EntryRenderer;
}

/**
 * The drawings, whose code is not loaded with Pi: most sessions hold nothing that it draws. What is drawn before it
 * is loaded is empty until then.
 */
export class LateDrawings {
  readonly #load: () => Promise<Drawings>;
  #loading: Promise<void> | undefined;
  #loaded: Drawings | undefined;

  /** @param load loads the code that draws */
  constructor(load: () => Promise<Drawings>) {
    this.#load = load;
  }

  /** Makes sure that the code is loaded. */
  load(): Promise<void> {
    this.#loading ??= this.#load().then((drawings) => {
      this.#loaded = drawings;
    });
    return this.#loading;
  }

  /** A renderer of messages that is there before its code. */
  message(name: "renderMessage" | "renderGo"): MessageRenderer {
    return (message, options, theme) => this.#draw((drawings) => drawings[name](message, options, theme));
  }

  /** A renderer of entries that is there before its code. */
  entry(name: "renderSent" | "renderNotice"): EntryRenderer {
    return (entry, options, theme) => this.#draw((drawings) => drawings[name](entry, options, theme));
  }

  #draw<Drawn extends ReturnType<MessageRenderer>>(draw: (drawings: Drawings) => Drawn): Drawn | LateComponent {
    if (this.#loaded !== undefined) return draw(this.#loaded);
    return new LateComponent(() => (this.#loaded === undefined ? undefined : draw(this.#loaded)));
  }
}

type Component = NonNullable<ReturnType<MessageRenderer>>;

/** Something that is drawn as soon as the code for it is there. */
class LateComponent implements Component {
  readonly #make: () => Component | undefined;
  #made: Component | undefined;

  constructor(make: () => Component | undefined) {
    this.#make = make;
  }

  render(width: number): string[] {
    this.#made ??= this.#make();
    return this.#made?.render(width) ?? [];
  }

  invalidate(): void {
    this.#made?.invalidate();
  }
}
