// Long enough for what one cause makes many agents do, and too short to be felt.
const gatherMs = 300;

/** Gathers what happens to several at once, so that it is told once. */
export class Gathering<Kind, Item> {
  readonly #tellAll: (kind: Kind, items: Item[]) => void;
  #kinds = new Map<Kind, Map<string, Item>>();
  #timer: NodeJS.Timeout | undefined;

  /** @param tellAll called with all of one kind, in the order in which they came */
  constructor(tellAll: (kind: Kind, items: Item[]) => void) {
    this.#tellAll = tellAll;
  }

  /**
   * Something has happened. It is told within 300 ms, and at once where the same name comes again: what was first
   * would otherwise be told last.
   *
   * @param name to whom
   */
  add(kind: Kind, name: string, item: Item): void {
    this.tellAbout(name);
    const items = this.#kinds.get(kind) ?? new Map<string, Item>();
    this.#kinds.set(kind, items);
    items.set(name, item);
    this.#timer ??= setTimeout(() => this.tell(), gatherMs).unref();
  }

  /** Tells what was gathered, where something of it happened to that one: it is shown before what follows from it. */
  tellAbout(name: string): void {
    if (this.#has(name)) this.tell();
  }

  /** Tells what was gathered. */
  tell(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    const kinds = this.#kinds;
    this.#kinds = new Map();
    for (const [kind, items] of kinds) this.#tellAll(kind, [...items.values()]);
  }

  #has(name: string): boolean {
    return [...this.#kinds.values()].some((items) => items.has(name));
  }
}
