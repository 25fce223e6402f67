// A process that writes an audit. Arguments: the file, and after how many lines to end without closing it.
import { setImmediate as nextTurn } from "node:timers/promises";
import { Audit } from "../../peer/audit.ts";
import { envelopeOf } from "./sample-records.ts";

const [path = "", lines = ""] = process.argv.slice(2);
const audit = new Audit({
  path,
  nowMs: Date.now,
  onFault: (error) => {
    throw error;
  },
});
for (let line = 0; line < Number(lines); line += 1) {
  audit.noteOut(envelopeOf({ id: `m${line}` }));
  if (line % 10 === 9) await nextTurn();
}
process.exit(0);
