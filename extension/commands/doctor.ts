import { existsSync } from "node:fs";
import { basename, join } from "node:path";
import { VERSION as piVersion } from "@earendil-works/pi-coding-agent";
import { brokerStatus, listBrokers, packageVersion } from "../../broker/managed.ts";
import type { Check } from "../../peer/verdicts.ts";
import { makeName } from "../../protocol/names.ts";
import { homeFolder } from "../../store/folder.ts";
import { parseArguments } from "../arguments.ts";
import { commandName } from "../command-name.ts";
import type { CommandScene, Subcommand } from "../commands.ts";
import { refusedCopies } from "../copies.ts";
import { loadPart } from "../parts.ts";
import { settingsHere } from "../settings.ts";

const noticeTypes = { ok: "info", warning: "warning", failed: "error" } as const;

/** `/pilink doctor` */
export const doctorCommand: Subcommand = {
  name: "doctor",
  usage: "/pilink doctor",
  summary:
    "Examines the configuration, the broker, the host and this installation, and says what to do. It changes nothing.",
  async run(line, scene) {
    parseArguments(line, {}, doctorCommand.usage);
    const { session, ctx } = scene;
    const home = homeFolder(process.env);
    const { connection } = session;
    // Few need it, and whoever enters a network should not wait for it to be loaded.
    const [{ examine }, { checkVersions, describeChecks, worstOf }] = await Promise.all([
      loadPart(() => import("../../peer/doctor.ts")),
      loadPart(() => import("../../peer/report.ts")),
    ]);
    const checks = await examine({
      home,
      readSettings: () => settingsHere(ctx),
      files: [join(ctx.cwd, ".pilink.json"), join(home, "config.json")].filter((path) => existsSync(path)),
      usualName: makeName(session.sessionName() ?? basename(ctx.cwd)),
      findManaged: async (url) => {
        const status = await brokerStatus({ home, url });
        return status.running ? status : undefined;
      },
      listManaged: () => listBrokers(home),
      version: packageVersion(),
      joined: connection && {
        peer: connection.peer,
        isDefaultBroker: connection.broker.isDefault,
        hasAccount: connection.broker.hasAccount,
      },
    });
    const versions = checkVersions(packageVersion(), [`Pi ${piVersion}`]);
    const all = [...checks, versions, ...checkInstallation(scene)];
    session.say(describeChecks(all), noticeTypes[worstOf(all)]);
  },
};

function checkInstallation({ session }: CommandScene): Check[] {
  return [checkCopies(refusedCopies()), ...checkCommand(session.commandName())];
}

/** @param ignored the paths of copies that do nothing */
export function checkCopies(ignored: readonly string[]): Check {
  const name = "copies";
  if (ignored.length === 0) return { name, verdict: "ok", text: "the extension is loaded once" };
  return {
    name,
    verdict: "warning",
    text: `the extension is loaded ${ignored.length + 1} times; ignored: ${ignored.join(", ")}`,
    wayOut: "Remove all but one: pi list shows what is installed, and -e adds one more.",
  };
}

function checkCommand(used: string): Check[] {
  if (used === commandName) return [];
  const text = `another extension has a command of the same name, so this one is /${used}`;
  return [{ name: "command", verdict: "warning", text, wayOut: "Remove the other extension to have the short one." }];
}
