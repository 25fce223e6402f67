import type { Duplex } from "node:stream";

// What fits is copied: mqtt-packet writes a packet in six pieces, each of which would be an object in the stream's buffer
// until it is sent, and a vector in the system call.
const copiedBytes = 16 * 1024;
const startBytes = 512;

/**
 * What is written to one client and has not been handed to its connection. All that is written in one step of the event
 * loop, or while it is held back, is one piece for the system.
 */
export class Outbound {
  readonly #write: (bytes: Buffer) => boolean;
  #buffer: Buffer | undefined;
  #usedBytes = 0;
  #corks = 0;

  /** @param stream the raw connection, before Aedes is given it; methods of it are replaced */
  constructor(stream: Duplex) {
    this.#write = stream.write.bind(stream);
    const write = (piece: unknown): boolean => {
      if (typeof piece === "string") this.#add(Buffer.from(piece));
      else if (piece instanceof Uint8Array) this.#add(piece);
      if (this.#corks === 0) this.#flush();
      // Not by what is held back: nobody would tell when there is room again.
      return !stream.writableNeedDrain;
    };
    const end = stream.end.bind(stream);
    Object.assign(stream, {
      write,
      cork: () => this.hold(),
      uncork: () => this.release(),
      end: (...rest: []) => {
        this.#flush();
        return end(...rest);
      },
    });
  }

  /** How much has not been handed to the connection, in bytes. */
  get waitingBytes(): number {
    return this.#usedBytes;
  }

  /** Keeps back what is written from now on, until each call was followed by one of {@link release}. */
  hold(): void {
    this.#corks += 1;
  }

  release(): void {
    this.#corks -= 1;
    if (this.#corks === 0) this.#flush();
  }

  #add(piece: Uint8Array): void {
    const neededBytes = this.#usedBytes + piece.byteLength;
    if (piece.byteLength > copiedBytes) {
      this.#flush();
      this.#write(Buffer.from(piece.buffer, piece.byteOffset, piece.byteLength));
      return;
    }
    if (this.#buffer === undefined || this.#buffer.byteLength < neededBytes) {
      const larger = Buffer.allocUnsafe(Math.max(startBytes, 2 * neededBytes));
      if (this.#buffer !== undefined) larger.set(this.#buffer.subarray(0, this.#usedBytes));
      this.#buffer = larger;
    }
    this.#buffer.set(piece, this.#usedBytes);
    this.#usedBytes = neededBytes;
  }

  #flush(): void {
    if (this.#buffer === undefined || this.#usedBytes === 0) return;
    const bytes = this.#buffer.subarray(0, this.#usedBytes);
    this.#buffer = undefined;
    this.#usedBytes = 0;
    this.#write(bytes);
  }
}
