import { execFile } from "node:child_process";
import { mkdir, open, rm } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { onCleanup } from "../test/support/cleanup.ts";

/** A disk so small that it can be filled. */
export interface SmallDisk {
  path: string;
  /** Takes all the space that is left. */
  fill(): Promise<void>;
  /** Ends {@link fill}. Idempotent. */
  empty(): Promise<void>;
  unmount(): Promise<void>;
}

const run = promisify(execFile);
const chunkBytes = 64 * 1024;

/**
 * Mounts a disk in memory, which only Linux lets only root do.
 *
 * @returns undefined where that is not possible
 */
export async function mountSmallDisk(path: string): Promise<SmallDisk | undefined> {
  if (process.platform !== "linux" || process.getuid?.() !== 0) return undefined;
  await mkdir(path, { recursive: true });
  try {
    await run("mount", ["-t", "tmpfs", "-o", "size=64m,mode=700", "tmpfs", path]);
  } catch {
    // A container may have a root who may not.
    return undefined;
  }
  const ballast = join(path, "ballast");
  const unmount = async () => {
    forget();
    await run("umount", ["--lazy", path]);
  };
  const forget = onCleanup(unmount);
  return {
    path,
    async fill() {
      const file = await open(ballast, "w");
      try {
        for (let sizeBytes = chunkBytes; sizeBytes >= 1; sizeBytes = Math.floor(sizeBytes / 8)) {
          while (await takes(file.write(Buffer.alloc(sizeBytes)))) {
            // Until nothing of that size is left.
          }
        }
      } finally {
        await file.close();
      }
    },
    empty: () => rm(ballast, { force: true }),
    unmount,
  };
}

async function takes(writing: Promise<{ bytesWritten: number }>): Promise<boolean> {
  try {
    return (await writing).bytesWritten > 0;
  } catch {
    return false;
  }
}
