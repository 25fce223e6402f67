// Loaded into a process with --import: at its end it writes what was loaded from the files below RECORDED_PLACE and the
// packages beside it, and how many Buffers there are, to RECORDED_FILE.
import fs, { writeFileSync } from "node:fs";
import { registerHooks, syncBuiltinESMExports } from "node:module";
import { fileURLToPath } from "node:url";
import { queryObjects } from "node:v8";

const place = `${process.env.RECORDED_PLACE}`;
const loaded = new Set<string>();

function note(path: string): void {
  if (path.startsWith(place) && /\.[cm]?[jt]s$/.test(path)) loaded.add(path.slice(place.length));
}

registerHooks({
  load(url, context, next) {
    if (url.startsWith("file:")) note(fileURLToPath(url));
    return next(url, context);
  },
});
// Pi's loader of TypeScript reads the files itself.
const { readFileSync } = fs;
fs.readFileSync = new Proxy(readFileSync, {
  apply(read, self, given: Parameters<typeof readFileSync>) {
    note(String(given[0]));
    return Reflect.apply(read, self, given);
  },
});
syncBuiltinESMExports();

process.on("exit", () => {
  const buffers = queryObjects(Buffer, { format: "count" });
  writeFileSync(`${process.env.RECORDED_FILE}`, JSON.stringify({ loaded: [...loaded], buffers }));
});
