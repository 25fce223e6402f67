import type { Socket } from "node:net";

const headBytes = 4;

/** A text with its length before it. */
export function frameText(text: string): Buffer {
  return frameBytes(Buffer.from(text, "utf8"));
}

/** Bytes with their length before them. */
export function frameBytes(bytes: Buffer): Buffer {
  const head = Buffer.alloc(headBytes);
  head.writeUInt32BE(bytes.length);
  return Buffer.concat([head, bytes]);
}

/** Calls `take` with each whole frame that comes. */
export function readFrames(socket: Socket, take: (frame: Buffer) => void): void {
  let chunks: Buffer[] = [];
  let heldBytes = 0;
  let wantedBytes = headBytes;
  socket.on("data", (chunk: Buffer) => {
    chunks.push(chunk);
    heldBytes += chunk.length;
    // Joined once a frame can be whole: a large one comes in many chunks.
    if (heldBytes < wantedBytes) return;
    let held = Buffer.concat(chunks, heldBytes);
    for (;;) {
      wantedBytes = headBytes + (held.length < headBytes ? 0 : held.readUInt32BE(0));
      if (held.length < Math.max(headBytes, wantedBytes)) break;
      take(held.subarray(headBytes, wantedBytes));
      held = held.subarray(wantedBytes);
    }
    chunks = [held];
    heldBytes = held.length;
  });
}
