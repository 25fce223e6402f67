import { spawn } from "node:child_process";
import { once } from "node:events";
import { guardProcess } from "./cleanup.ts";
import { withinDeadline } from "./eventually.ts";
import { type PiOptions, preparePi } from "./pi-home.ts";
import type { PiExit } from "./pi-process.ts";

/** What a Pi in print mode did. */
export interface PiRun extends PiExit {
  stdout: string;
  stderr: string;
}

/**
 * Runs `pi -p` to its end.
 *
 * @param options what the Pi is to be
 * @param prompts what it is asked, one turn each
 * @param timeoutMs after how long it is killed
 * @throws Error with its output, where it does not end in time
 */
export async function runPiOnce(options: PiOptions, prompts: string[], timeoutMs = 20_000): Promise<PiRun> {
  const line = await preparePi(options, ["-p"]);
  const startedAtMs = performance.now();
  const child = spawn(process.execPath, [...line.args, ...prompts], { cwd: line.cwd, env: line.env, stdio: "pipe" });
  child.stdin.end();
  const release = child.pid === undefined ? () => undefined : guardProcess(child.pid);
  const output = { stdout: "", stderr: "" };
  child.stdout.on("data", (chunk: Buffer) => {
    output.stdout += chunk.toString("utf8");
  });
  child.stderr.on("data", (chunk: Buffer) => {
    output.stderr += chunk.toString("utf8");
  });
  try {
    const [code, signal] = await withinDeadline(
      once(child, "close"),
      timeoutMs,
      () => `pi -p did not end within ${timeoutMs} ms.\nstdout:\n${output.stdout}\nstderr:\n${output.stderr}`,
    );
    return { ...output, code, signal, tookMs: performance.now() - startedAtMs };
  } catch (failure) {
    child.kill("SIGKILL");
    throw failure;
  } finally {
    release();
  }
}
