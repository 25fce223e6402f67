import { readFileSync } from "node:fs";
import { isSeq, parseDocument } from "yaml";
import { z } from "zod";

const mountSchema = z.strictObject({
  type: z.enum(["bind", "volume"]),
  source: z.string(),
  target: z.string().startsWith("/"),
  read_only: z.boolean().default(false),
  bind: z.strictObject({ create_host_path: z.boolean() }).optional(),
});

const serviceSchema = z.object({
  image: z.string(),
  user: z.string(),
  read_only: z.boolean(),
  cap_drop: z.array(z.string()),
  restart: z.string(),
  network_mode: z.string().optional(),
  environment: z.record(z.string(), z.string()).default({}),
  command: z.array(z.string()).optional(),
  ports: z.array(z.string()).default([]),
  volumes: z.array(mountSchema),
  depends_on: z.record(z.string(), z.object({ condition: z.string() })).default({}),
  healthcheck: z.object({ test: z.array(z.string()), timeout: z.string() }).optional(),
});

const projectSchema = z.object({
  services: z.strictObject({ accounts: serviceSchema, broker: serviceSchema }),
  volumes: z.record(z.string(), z.null()),
});

const overlaySchema = z.strictObject({
  services: z.strictObject({
    broker: z.strictObject({ ports: z.array(z.string()), volumes: z.array(mountSchema) }),
  }),
});

/** What the files for Docker Compose say, with the variables put in. */
export type Project = z.infer<typeof projectSchema>;
/** One service of a {@link Project}. */
export type Service = z.infer<typeof serviceSchema>;

/** The variables of `.env`. */
export type Variables = Readonly<Record<string, string>>;

/**
 * Reads `docker-compose.yml` as Compose does, and `docker-compose.tls.yml` on top of it.
 *
 * @param variables what stands in `.env`
 * @throws Error where a variable is missing that has to be set
 */
export function readProject(variables: Variables, tls = false): Project {
  const project = projectSchema.parse(interpolate(parseFile("docker-compose.yml").toJS(), variables));
  if (!tls) return project;
  const document = parseFile("docker-compose.tls.yml");
  const { ports, volumes } = overlaySchema.parse(interpolate(document.toJS(), variables)).services.broker;
  const { broker } = project.services;
  // Compose adds ports to those of the first file unless they are tagged, and puts a mount in place of one with its target.
  const portsNode = document.getIn(["services", "broker", "ports"], true);
  broker.ports = isSeq(portsNode) && portsNode.tag === "!override" ? ports : [...broker.ports, ...ports];
  const targets = new Set(volumes.map(({ target }) => target));
  broker.volumes = [...broker.volumes.filter(({ target }) => !targets.has(target)), ...volumes];
  return project;
}

/** The variables of `.env.example`: those that are set, and those that a comment shows. */
export function readExample(): { set: Record<string, string>; shown: Record<string, string> } {
  const set: Record<string, string> = {};
  const shown: Record<string, string> = {};
  for (const line of readRoot(".env.example").split("\n")) {
    const found = /^(# )?([A-Z_]+)=(.*)$/.exec(line);
    if (found?.[2] !== undefined) (found[1] === undefined ? set : shown)[found[2]] = found[3] ?? "";
  }
  return { set, shown };
}

/** The text of a file, by its path from the project's root. */
export function readRoot(path: string): string {
  return readFileSync(new URL(`../../${path}`, import.meta.url), "utf8");
}

function parseFile(path: string) {
  const override = {
    tag: "!override",
    collection: "seq" as const,
    resolve: (value: unknown) => value,
  };
  const document = parseDocument(readRoot(path), { merge: true, customTags: [override] });
  if (document.errors.length > 0) throw new AggregateError(document.errors, `${path} is no YAML.`);
  return document;
}

/** Puts variables in as Compose does: `$$`, `${A}`, `${A:-otherwise}`, `${A:?complaint}`. */
function interpolate(value: unknown, variables: Variables): unknown {
  if (Array.isArray(value)) return value.map((item) => interpolate(item, variables));
  if (typeof value === "object" && value !== null) {
    return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, interpolate(item, variables)]));
  }
  if (typeof value !== "string") return value;
  return value.replaceAll(
    /\$(?:\$|\{(\w+)(?::([-?])([^}]*))?\}|(.?))/g,
    (match, name?: string, kind?: string, text?: string) => {
      if (match === "$$") return "$";
      if (name === undefined) throw new Error(`Compose would not understand ${match} in: ${value}`);
      const given = variables[name] ?? "";
      if (given !== "" || kind === undefined) return given;
      if (kind === "?") throw new Error(`required variable ${name} is missing a value: ${text}`);
      return text ?? "";
    },
  );
}
