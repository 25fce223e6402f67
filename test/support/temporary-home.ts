import { mkdtemp, realpath, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { onCleanup } from "./cleanup.ts";
import { type LiveProcess, liveProcesses } from "./live-processes.ts";

/** A fresh folder that everything of one test lives in. */
export interface TemporaryHome {
  path: string;
  /** Every process that carries this folder in its command line or environment, the detached ones too. */
  processes(): Promise<LiveProcess[]>;
  /** Kills what still lives in the folder and removes it. */
  remove(): Promise<void>;
}

/** Makes a {@link TemporaryHome}; `stopEverything()` removes it. */
export async function temporaryHome(): Promise<TemporaryHome> {
  const path = await realpath(await mkdtemp(join(tmpdir(), "pilink-test-")));
  const remove = async () => {
    forget();
    for (const { pid } of await liveProcesses(path)) {
      try {
        process.kill(pid, "SIGKILL");
      } catch {
        // It ended by itself in the meantime.
      }
    }
    await rm(path, { recursive: true, force: true, maxRetries: 5, retryDelay: 50 });
  };
  const forget = onCleanup(remove);
  return { path, processes: () => liveProcesses(path), remove };
}
