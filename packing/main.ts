import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { type OutputChunk, rolldown } from "rolldown";
import { takeFromHost } from "./host-packages.ts";
import { collectLicences } from "./licences.ts";
import { takePacketWriter } from "./packet-writer.ts";

// npm run build: makes dist/bundle, what an installed package runs, of the sources and of the packages they use. The
// sources stay in the package beside it, and its source maps lead to them.

const root = fileURLToPath(new URL("..", import.meta.url));
const folder = join(root, "dist", "bundle");
const extension = "extension";

const bundle = await rolldown({
  cwd: root,
  input: {
    [extension]: "extension/pilink.ts",
    broker: "broker/main.ts",
    cli: "cli/main.ts",
    background: "cli/background/main.ts",
  },
  platform: "node",
  // Loaded seldom, and as big as everything else together.
  external: [/^@secretlint\//],
  plugins: [takeFromHost(), takePacketWriter()],
  onLog(level, { message }) {
    if (level === "warn") throw new Error(message);
  },
});
const { output } = await bundle.generate({
  dir: folder,
  format: "esm",
  comments: false,
  minifyInternalExports: false,
  sourcemap: true,
  sourcemapExcludeSources: true,
  entryFileNames: "[name].js",
  // What is loaded into a Pi has its content in its name: Node keeps a file by its name, also over an update.
  chunkFileNames: ({ moduleIds }) => (moduleIds.some(isOwn) ? "[name]-[hash].js" : "packages-[hash].js"),
  codeSplitting: {
    groups: [
      // What every Pi loads, in one file.
      { name: extension, test: /[\\/]extension[\\/]pilink\.ts$/, priority: 2 },
      { name: "packages", test: /[\\/]node_modules[\\/]/, entriesAware: true, priority: 1 },
    ],
  },
});
const all = output.filter((each): each is OutputChunk => each.type === "chunk");
// The file of what every Pi loads is named to it; the one that would only lead there is left out.
const first = all.find(({ moduleIds }) => moduleIds.includes(join(root, "extension", "pilink.ts")));
if (!first?.exports.includes("pilink")) throw new Error("There is no bundle of the extension.");
const chunks = all.filter((chunk) => chunk === first || chunk.name !== extension);

await mkdir(folder, { recursive: true });
for (const { fileName, code, map, moduleIds } of chunks) {
  const hasMap = map !== null && moduleIds.some(isOwn);
  // The sources of the packages are not in this one.
  const written = hasMap ? code : code.replace(/^\/\/# sourceMappingURL=.*$/m, "");
  await writeFile(join(folder, fileName), written);
  if (hasMap) await writeFile(join(folder, `${fileName}.map`), JSON.stringify(map));
}
await writeFile(join(folder, `${extension}.json`), `${JSON.stringify({ file: first.fileName })}\n`);
const bundled = chunks.flatMap(({ moduleIds }) => moduleIds.filter((id) => !isOwn(id)));
await writeFile(join(folder, "licences.txt"), collectLicences(bundled));

function isOwn(id: string): boolean {
  return id.startsWith(root) && !id.includes("node_modules");
}
