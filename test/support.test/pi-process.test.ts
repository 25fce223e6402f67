import { fileURLToPath } from "node:url";
import { afterEach, expect, test } from "vitest";
import { stopEverything } from "../support/cleanup.ts";
import { runPiOnce } from "../support/pi-print.ts";
import { startPi } from "../support/pi-process.ts";
import { allText, lastUserText, startScriptedModel, toolResults } from "../support/scripted-model.ts";
import { temporaryHome } from "../support/temporary-home.ts";

const extensions = [fileURLToPath(new URL("test-extension.ts", import.meta.url))];

afterEach(stopEverything);

test("a real Pi runs tools, dialogs, injection and new sessions against the scripted model", async () => {
  const home = await temporaryHome();
  const model = await startScriptedModel();
  const pi = await startPi({ home: home.path, model, extensions });

  model.script((request) =>
    toolResults(request).length > 0
      ? { text: `it says ${toolResults(request).join()}` }
      : { toolCalls: [{ name: "double", arguments: { number: 21 } }] },
  );
  await pi.promptAndSettle("double 21 \u2028 please");
  expect(toolResults(model.requests[1] ?? expect.fail("no second request"))).toEqual(["doubled 42"]);
  expect(JSON.stringify(await pi.messages())).toContain("it says doubled 42");

  await pi.prompt("/inject from elsewhere");
  expect(await pi.nextNotification("injected")).toMatchObject({ message: "injected from elsewhere", type: "info" });
  model.script(() => ({ text: "understood" }));
  await pi.promptAndSettle("what came in?");
  expect(allText(model.requests.at(-1) ?? expect.fail("no request"))).toContain("from elsewhere");

  pi.answerDialog(({ method }) => ({ select: "b", confirm: true, input: "typed", editor: null })[method]);
  await pi.prompt("/ask");
  expect(await pi.nextNotification(/^chosen/)).toMatchObject({
    message: "chosen b true typed undefined",
    type: "warning",
  });

  await pi.newSession();
  await pi.waitForStatus("test", (text) => text === "session new");
  expect((await pi.stop()).tookMs).toBeLessThan(1_000);
  expect(await home.processes()).toEqual([]);
});

test("a busy Pi stays busy until its model is released, and what it gave up is aborted", async () => {
  const home = await temporaryHome();
  const model = await startScriptedModel();
  const pi = await startPi({ home: home.path, model, modelId: "scripted-2", extensions });

  const first = model.hold("scripted-2");
  await pi.prompt("take your time");
  expect(lastUserText(await first.request)).toBe("take your time");
  expect(await pi.state()).toMatchObject({ isStreaming: true });
  first.release({ text: "done" });
  await pi.settled();

  const second = model.hold("scripted-2");
  await pi.prompt("never finished");
  const { signal } = await second.request;
  const exit = await pi.kill("SIGKILL");
  expect(exit.signal).toBe("SIGKILL");
  await expect.poll(() => signal.aborted).toBe(true);
});

test("a timeout tells what Pi wrote, and a command that Pi refuses is an error", async () => {
  const home = await temporaryHome();
  const pi = await startPi({ home: home.path, extensions });
  await expect(pi.nextNotification("nothing", { timeoutMs: 50 })).rejects.toThrow(
    /The last records of \d+:\n.*get_state/s,
  );
  await expect(pi.command({ type: "no_such_command" })).rejects.toThrow("no_such_command");
});

test("print mode runs to its end", async () => {
  const home = await temporaryHome();
  const model = await startScriptedModel({ responder: () => ({ text: "printed" }) });
  expect(await runPiOnce({ home: home.path, model, extensions }, ["hello"])).toMatchObject({
    code: 0,
    stdout: "printed\n",
  });
});
