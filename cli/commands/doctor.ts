import { existsSync } from "node:fs";
import { basename, join } from "node:path";
import { brokerStatus, listBrokers, packageVersion } from "../../broker/managed.ts";
import { examine } from "../../peer/doctor.ts";
import { checkVersions, describeChecks, worstOf } from "../../peer/report.ts";
import type { Check } from "../../peer/verdicts.ts";
import { cleanText } from "../../protocol/clean.ts";
import { makeName } from "../../protocol/names.ts";
import { homeFolder } from "../../store/folder.ts";
import { describeBackground } from "../background/choice.ts";
import { statusSchema } from "../background/control.ts";
import { ask } from "../background/conversation.ts";
import { readRecords } from "../background/record.ts";
import type { Context } from "../context.ts";
import { type ExitCode, exitCodes } from "../exit-codes.ts";
import type { Given } from "../given.ts";
import { placeHere } from "../place.ts";
import { inShellWords } from "../wording.ts";

/** `pilink doctor` */
export async function runDoctor({ network, name, url }: Given, { output }: Context): Promise<ExitCode> {
  const home = homeFolder(process.env);
  const folder = process.cwd();
  const version = packageVersion();
  const checks = await examine({
    home,
    readSettings: () => placeHere({ network, name, url }),
    files: [join(folder, ".pilink.json"), join(home, "config.json")].filter((path) => existsSync(path)),
    usualName: makeName(basename(folder)),
    findManaged: async (address) => {
      const status = await brokerStatus({ home, url: address });
      return status.running ? status : undefined;
    },
    listManaged: () => listBrokers(home),
    version,
    joined: undefined,
  });
  const all = [...checks, ...(await checkBackground(home)), checkVersions(version)].map(reword);
  if (output.isJson) for (const check of all) await output.result(check, "");
  else await output.text(cleanText(describeChecks(all)));
  return worstOf(all) === "failed" ? exitCodes.failed : exitCodes.done;
}

/** How the background peers of this machine are. */
async function checkBackground(home: string): Promise<Check[]> {
  return Promise.all(
    (await readRecords(home)).map(async ({ record, isAlive }): Promise<Check> => {
      const who = describeBackground(record);
      const again = `pilink join ${record.network} --name ${record.name} --background`;
      if (!isAlive) {
        const why = record.ended === undefined ? "was killed" : `has ended: ${record.ended.reason}`;
        return {
          name: "background",
          verdict: "warning",
          text: `${who} ${why}`,
          wayOut: `Take what it left with pilink recv; ${again} joins again.`,
        };
      }
      const answer = await ask(record, { command: "status" }, statusSchema).catch(() => undefined);
      answer?.close();
      if (answer === undefined) {
        return {
          name: "background",
          verdict: "failed",
          text: `${who} does not answer (pid ${record.process.pid})`,
          wayOut: `End that process, then run ${again}.`,
        };
      }
      const { state, connected, unread } = answer.value;
      const isWell = state === "active" && connected;
      const text = `${who} (pid ${record.process.pid}) is ${isWell ? "well" : connected ? state : "without its broker"}, ${unread} unread`;
      return { name: "background", verdict: isWell ? "ok" : "warning", text };
    }),
  );
}

function reword(check: Check): Check {
  const { text, wayOut } = check;
  return { ...check, text: inShellWords(text), ...(wayOut === undefined ? {} : { wayOut: inShellWords(wayOut) }) };
}
