import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { type CodeSplittingGroup, type OutputChunk, rolldown } from "rolldown";
import { takeFromHost } from "./host-packages.ts";
import { collectLicences } from "./licences.ts";
import { takePacketWriter } from "./packet-writer.ts";

// npm run build: makes dist/bundle, what an installed package runs, of the sources and of the packages they use. The
// sources stay in the package beside it, and its source maps lead to them.

const root = fileURLToPath(new URL("..", import.meta.url));
const folder = join(root, "dist", "bundle");

// By what a file of its own costs, and by when it is needed: in every Pi, in one whose session shows messages or whose
// person types, and in one that enters a network. What waits for `mqtt` may not be in a file that `mqtt` needs.
const inPi = await bundle({ extension: "extension/pilink.ts" }, [
  { name: "extension", test: /[\\/]extension[\\/]pilink\.ts$/, priority: 3 },
  { name: "drawing", test: /[\\/]extension[\\/](renderer|sent-line|sent-states|completion)\.ts$/, priority: 2 },
  { name: "session", test: isOwn, priority: 1 },
]);
const outside = await bundle(
  { broker: "broker/main.ts", cli: "cli/main.ts", background: "cli/background/main.ts" },
  [],
);
// The file of what every Pi loads is named to it; the one that would only lead there is left out.
const first = inPi.find(({ moduleIds }) => moduleIds.includes(join(root, "extension", "pilink.ts")));
if (!first?.exports.includes("pilink")) throw new Error("There is no bundle of the extension.");
const chunks = [...inPi.filter((chunk) => !chunk.isEntry || chunk === first), ...outside];

await mkdir(folder, { recursive: true });
for (const { fileName, code, map, moduleIds } of chunks) {
  const hasMap = map !== null && moduleIds.some(isOwn);
  // The sources of the packages are not in this one.
  const written = hasMap ? code : code.replace(/^\/\/# sourceMappingURL=.*$/m, "");
  await writeFile(join(folder, fileName), written);
  if (hasMap) await writeFile(join(folder, `${fileName}.map`), JSON.stringify(map));
}
await writeFile(join(folder, "extension.json"), `${JSON.stringify({ file: first.fileName })}\n`);
const bundled = chunks.flatMap(({ moduleIds }) => moduleIds.filter(isForeign));
await writeFile(join(folder, "licences.txt"), collectLicences(bundled));

async function bundle(input: Record<string, string>, groups: CodeSplittingGroup[]): Promise<OutputChunk[]> {
  const made = await rolldown({
    cwd: root,
    input,
    platform: "node",
    // Loaded seldom, and as big as everything else together.
    external: [/^@secretlint\//],
    plugins: [takeFromHost(), takePacketWriter()],
    onLog(level, { message }) {
      if (level === "warn") throw new Error(message);
    },
  });
  const { output } = await made.generate({
    dir: folder,
    format: "esm",
    comments: false,
    minifyInternalExports: false,
    sourcemap: true,
    sourcemapExcludeSources: true,
    entryFileNames: "[name].js",
    // What is loaded into a Pi has its content in its name: Node keeps a file by its name, also over an update.
    chunkFileNames: ({ moduleIds }) => (moduleIds.some(isForeign) ? "packages-[hash].js" : "[name]-[hash].js"),
    codeSplitting: {
      groups: [{ name: "packages", test: /[\\/]node_modules[\\/]/, entriesAware: true, priority: 4 }, ...groups],
    },
  });
  return output.filter((each) => each.type === "chunk");
}

function isOwn(id: string): boolean {
  return id.startsWith(root) && !isForeign(id);
}

function isForeign(id: string): boolean {
  return id.includes("node_modules");
}
