import { nextName } from "../protocol/names.ts";

/** The life that a name was granted to. */
export interface Grant {
  epoch: string;
  box: string;
}

/** A request for a name. */
export interface NameRequest extends Grant {
  name: string;
  /** The life before this one in the same state folder; whoever took that folder's lock knows that it ended. */
  former: string | undefined;
}

/** The names that the host of an instance granted: the one place that decides who carries a name (hazard 8). */
export class Grants {
  readonly #grants = new Map<string, Grant>();
  readonly #isFree: (name: string, grant: Grant) => Promise<boolean>;

  /**
   * @param isFree whether the life that holds a name has provably ended
   */
  constructor(isFree: (name: string, grant: Grant) => Promise<boolean>) {
    this.#isFree = isFree;
  }

  get(name: string): Grant | undefined {
    return this.#grants.get(name);
  }

  /**
   * Grants a name, one request at a time.
   *
   * @returns undefined where it was granted, otherwise a name that is free
   */
  async request({ name, epoch, box, former }: NameRequest): Promise<string | undefined> {
    const isOwn = (held: Grant | undefined) =>
      held === undefined ||
      held.epoch === epoch ||
      held.epoch === former ||
      // The lock of a state folder lets one process at a time have its box.
      held.box === box;
    const held = this.#grants.get(name);
    const free = held !== undefined && !isOwn(held) && (await this.#isFree(name, held));
    // Somebody may have been granted it, or may have left, while this request was looked into.
    const now = this.#grants.get(name);
    if (isOwn(now) || (free && now === held)) {
      this.#grants.set(name, { epoch, box });
      return undefined;
    }
    let offer = nextName(name);
    while (this.#grants.has(offer)) offer = nextName(offer);
    return offer;
  }

  /** Notes a life that is here although this host did not grant it: it was here before, or was silent for long. */
  adopt(name: string, grant: Grant): void {
    if (!this.#grants.has(name)) this.#grants.set(name, grant);
  }

  /** The life has left, or is a ghost. */
  release(name: string, epoch: string): void {
    if (this.#grants.get(name)?.epoch === epoch) this.#grants.delete(name);
  }
}
