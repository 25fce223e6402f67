import { existsSync, readdirSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { z } from "zod";

const manifestSchema = z.object({ name: z.string(), version: z.string(), license: z.string() });
const licenceName = /^(licen[cs]e|copying)(\.(md|txt))?$/i;

/**
 * The licences of packages that are in a bundle, as their authors want them to be passed on.
 *
 * @param files the files that were bundled
 * @returns name, version and text of the licence of each package, in the order of the names
 * @throws Error where a file belongs to no package, or a package says nothing of its licence
 */
export function collectLicences(files: readonly string[]): string {
  const found = new Map<string, string>();
  for (const file of files) {
    // What the bundler itself has added has no place on disk.
    if (file.startsWith("\0")) continue;
    const { folder, name, version, license } = findPackage(file);
    const path = readdirSync(folder).find((each) => licenceName.test(each));
    const text =
      path === undefined ? "(The package has no file with the text.)" : readFileSync(join(folder, path), "utf8");
    found.set(`${name} ${version}`, `${name} ${version}: ${license}\n\n${text.trim()}\n`);
  }
  const sorted = [...found].sort(([one], [other]) => (one < other ? -1 : 1)).map(([, text]) => text);
  return `The files beside this one hold code of these packages.\n\n${sorted.join(`\n${"-".repeat(80)}\n\n`)}`;
}

function findPackage(file: string): z.infer<typeof manifestSchema> & { folder: string } {
  for (let folder = dirname(file); folder !== dirname(folder); folder = dirname(folder)) {
    const path = join(folder, "package.json");
    if (!existsSync(path)) continue;
    // Some packages have a package.json of no name inside, which says what kind of modules stand there.
    const manifest = manifestSchema.safeParse(JSON.parse(readFileSync(path, "utf8")));
    if (manifest.success) return { folder, ...manifest.data };
  }
  throw new Error(`${file} belongs to no package that states its licence.`);
}
