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

/** How long a name is kept for a life that was granted it and was not born, in milliseconds: as for one that falls silent. */
export const birthLimitMs = 20_000;

/** The names that the host of an instance granted: the one place that decides who carries a name (hazard 8). */
export class Grants {
  readonly #grants = new Map<string, Grant>();
  readonly #isFree: (name: string, grant: Grant) => Promise<boolean>;
  readonly #nowMs: () => number;
  /** Since when a name is kept for a life of which nothing else was seen. */
  readonly #unborn = new Map<string, number>();

  /**
   * @param isFree whether the life that holds a name has provably ended
   * @param nowMs any monotonous time, in milliseconds
   */
  constructor(isFree: (name: string, grant: Grant) => Promise<boolean>, nowMs: () => number) {
    this.#isFree = isFree;
    this.#nowMs = nowMs;
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
      // A broker may deliver one request again, long after the birth.
      if (now?.epoch !== epoch) this.#unborn.set(name, this.#nowMs());
      this.#grants.set(name, { epoch, box });
      return undefined;
    }
    let offer = nextName(name);
    while (this.#grants.has(offer)) offer = nextName(offer);
    return offer;
  }

  /** Notes a life that is here although this host did not grant it: it was here before, or was silent for long. */
  adopt(name: string, grant: Grant): void {
    const held = this.#grants.get(name);
    if (held === undefined) this.#grants.set(name, grant);
    if (held === undefined || held.epoch === grant.epoch) this.#unborn.delete(name);
  }

  /** Whether a name was granted to a life whose birth should have come long ago. */
  isStillborn(name: string): boolean {
    const sinceMs = this.#unborn.get(name);
    return sinceMs !== undefined && this.#nowMs() - sinceMs >= birthLimitMs;
  }

  /** The life has left, or is a ghost. */
  release(name: string, epoch: string): void {
    if (this.#grants.get(name)?.epoch !== epoch) return;
    this.#grants.delete(name);
    this.#unborn.delete(name);
  }
}
