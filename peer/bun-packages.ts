import { readFileSync } from "node:fs";
import module from "node:module";
import { dirname, join } from "node:path";
import { z } from "zod";

const parentSchema = z.looseObject({ filename: z.string() });
const manifestSchema = z.looseObject({ main: z.string() });

/**
 * Imports a package whose files ask for others in the form `name/`, as mqtt's readable-stream asks for
 * `string_decoder/`. A program compiled by Bun, such as Pi's release, reads no package.json on disk (`bun build
 * --compile` leaves that out unless told otherwise); Pi's loader makes up for it, but not for this form. While the
 * import runs, what cannot be resolved otherwise is looked up here. In Node nothing is changed.
 *
 * @param load does the import
 */
export async function importInBun<Module>(load: () => Promise<Module>): Promise<Module> {
  const resolve: unknown = Reflect.get(module, "_resolveFilename");
  if (process.versions.bun === undefined || typeof resolve !== "function") return await load();
  const mended = function (this: unknown, ...args: unknown[]): unknown {
    try {
      return Reflect.apply(resolve, this, args);
    } catch (error) {
      const found = findMain(args[0], args[1]);
      if (found === undefined) throw error;
      return found;
    }
  };
  Reflect.set(module, "_resolveFilename", mended);
  try {
    return await load();
  } finally {
    // Not where somebody else has put another one over it meanwhile.
    if (Reflect.get(module, "_resolveFilename") === mended) Reflect.set(module, "_resolveFilename", resolve);
  }
}

function findMain(id: unknown, parent: unknown): string | undefined {
  const from = parentSchema.safeParse(parent).data?.filename;
  if (from === undefined || typeof id !== "string" || !/^[^./][^/]*\/$/.test(id)) return undefined;
  for (let folder = dirname(from); ; folder = dirname(folder)) {
    const place = join(folder, "node_modules", id);
    const main = readMain(place);
    if (main !== undefined) return join(place, main);
    if (folder === dirname(folder)) return undefined;
  }
}

function readMain(folder: string): string | undefined {
  try {
    return manifestSchema.parse(JSON.parse(readFileSync(join(folder, "package.json"), "utf8"))).main;
  } catch {
    // No such package here: it may stand further up.
    return undefined;
  }
}
