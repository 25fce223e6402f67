import { changeHomeConfig } from "../../peer/config-file.ts";

// One of several processes that change a home's configuration at once. Arguments: the home, a name, how many changes.
const [home = "", name = "", changes = ""] = process.argv.slice(2);

for (let change = 1; change <= Number(changes); change += 1) {
  await changeHomeConfig(home, (held) => {
    const folders = typeof held.folders === "object" && held.folders !== null ? held.folders : {};
    return { ...held, folders: { ...folders, [`/${name}/${change}`]: { network: name } } };
  });
}
