import { join } from "node:path";
import { newBox } from "../../protocol/ids.ts";
import { writeFileAtomically } from "../../store/folder.ts";
import type { Notice } from "./hooks.ts";

/**
 * Writes one notice as a file of its own, in one step: a file whose name ends in `.json` is complete. Sorted by name
 * they are in the order in which they were told.
 *
 * @param folder an existing one
 * @throws PilinkError `state-unusable`
 */
export async function writeNotice(folder: string, notice: Notice): Promise<void> {
  const time = new Date(notice.told).toISOString().replace(/[:.]/g, "-");
  await writeFileAtomically(
    join(folder, `${time}-${notice.event}-${newBox().slice(0, 8)}.json`),
    `${JSON.stringify(notice)}\n`,
  );
}
