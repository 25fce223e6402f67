/** One end of a line between two processes: it sends texts, and is given those that arrive. */
export interface End {
  /**
   * Sends a text.
   *
   * @param to one name, several, or `all` where the line knows that word
   * @returns when the line says that it has it; what that is worth differs from line to line
   */
  send(to: string | string[], body: string): Promise<void>;
}

/** Given each text at the moment at which it arrives. */
export type Hear = (body: string) => void;
