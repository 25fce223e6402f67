import { readdirSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import { defaultPacketLimitBytes } from "../../broker/guard.ts";
import { blocksOf, sectionNamed } from "../topics/document.ts";
import { type Project, readExample, readProject, readRoot } from "./compose.ts";

const password = { PILINK_PASSWORD: "x" };
const kinds = ["team", "network", "peer"].flatMap((lan) => [
  { lan, tls: false },
  { lan, tls: true },
]);

/** Every file that the broker's bind mounts bring, by its path in the container. */
function mountedFiles({ services }: Project): Map<string, string> {
  const files = new Map<string, string>();
  for (const { type, source, target } of services.broker.volumes) {
    if (type === "volume" || target === "/mosquitto/certificates") continue;
    for (const name of readdirSync(fileURLToPath(new URL(`../../${source}/`, import.meta.url)))) {
      files.set(`${target}/${name}`, readRoot(`${source}/${name}`));
    }
  }
  return files;
}

/** The options of Mosquitto in a text, without comments, in order. */
function optionsOf(text: string): [name: string, value: string][] {
  return text
    .split("\n")
    .filter((line) => line !== "" && !line.startsWith("#"))
    .map((line) => {
      const [name = "", ...value] = line.split(" ");
      return [name, value.join(" ")];
    });
}

describe("docker-compose.yml", () => {
  it("needs a password, and says so", () => {
    expect(() => readProject({})).toThrow(/PILINK_PASSWORD.*\.env/);
    expect(() => readProject({ PILINK_PASSWORD: "" })).toThrow(/PILINK_PASSWORD/);
    expect(readProject(password).services.accounts.environment).toEqual({
      PILINK_USERNAME: "pilink",
      PILINK_PASSWORD: "x",
    });
  });

  it("uses exactly the variables that .env.example shows, with the defaults that it states", () => {
    const { set, shown } = readExample();
    const texts = readRoot("docker-compose.yml") + readRoot("docker-compose.tls.yml");
    const used = new Set([...texts.matchAll(/(?<!\$)\$\{(\w+)/g)].map(([, name]) => name));
    expect(set).toEqual({ PILINK_PASSWORD: "" });
    expect(new Set([...Object.keys(set), ...Object.keys(shown)])).toEqual(new Set([...used, "COMPOSE_FILE"]));
    const { COMPOSE_FILE = "", ...variables } = shown;
    expect(readProject({ ...password, ...variables })).toEqual(readProject(password));
    expect(COMPOSE_FILE.split(":")).toEqual(["docker-compose.yml", "docker-compose.tls.yml"]);
  });

  it("names a version, runs nothing as root, and mounts nothing that can be changed but its volume", () => {
    for (const tls of [false, true]) {
      const { services, volumes } = readProject(password, tls);
      for (const service of Object.values(services)) {
        expect(service.image).toMatch(/^eclipse-mosquitto:2\.\d+\.\d+-alpine$/);
        expect(service).toMatchObject({ user: "1883:1883", read_only: true, cap_drop: ["ALL"] });
        for (const mount of service.volumes) {
          if (mount.type === "volume") expect(volumes).toHaveProperty(mount.source);
          // A folder that Docker would make where none is, for a misspelt variant for example, holds no rules.
          else expect(mount).toMatchObject({ read_only: true, bind: { create_host_path: false } });
        }
      }
      expect(services.broker.restart).toBe("unless-stopped");
      expect(services.accounts).toMatchObject({ restart: "no", network_mode: "none", ports: [] });
      expect(services.broker.depends_on.accounts?.condition).toBe("service_completed_successfully");
      const data = ({ volumes: mounts }: (typeof services)["broker"]) => mounts.find(({ type }) => type === "volume");
      expect(data(services.accounts)).toEqual(data(services.broker));
    }
  });

  it.each(kinds)("mounts what its configuration names, and publishes what it listens on: $lan, TLS $tls", (kind) => {
    const project = readProject({ ...password, PILINK_LAN: kind.lan }, kind.tls);
    const { broker } = project.services;
    const files = mountedFiles(project);
    expect([...files.keys()].sort()).toEqual([
      "/mosquitto/access/access.acl",
      // The image's own command names it.
      "/mosquitto/config/mosquitto.conf",
      "/mosquitto/listeners/listeners.conf",
    ]);
    const main = optionsOf(files.get("/mosquitto/config/mosquitto.conf") ?? "");
    const listeners = optionsOf(files.get("/mosquitto/listeners/listeners.conf") ?? "");
    expect(main).toContainEqual(["acl_file", "/mosquitto/access/access.acl"]);
    expect(main).toContainEqual(["include_dir", "/mosquitto/listeners"]);
    const targets = broker.volumes.map(({ target }) => target);
    for (const [, value] of [...main, ...listeners]) {
      if (value.startsWith("/")) expect(targets.some((target) => `${value}/`.startsWith(`${target}/`))).toBe(true);
    }

    const listening = listeners.filter(([name]) => name === "listener").map(([, value]) => value);
    const published = listening.filter((value) => !value.endsWith(" 127.0.0.1"));
    expect(broker.ports.map((port) => port.split(":")[1]).sort()).toEqual(published.sort());
    const { test = [] } = broker.healthcheck ?? {};
    const healthPort = test[test.indexOf("-p") + 1] ?? "";
    expect(listening.map((value) => value.replace(" 127.0.0.1", ""))).toContain(healthPort);
    // Without a certificate only inside of the container.
    if (kind.tls) {
      expect(published).toEqual(["8883", "9001"]);
      expect(listeners.filter(([name]) => name === "certfile" || name === "keyfile").length).toBe(4);
    }
  });

  it("lets nobody in without an account, and keeps everything over a SIGKILL", () => {
    const main = new Map(optionsOf(readRoot("broker/mosquitto/config/mosquitto.conf")));
    expect(Object.fromEntries(main)).toMatchObject({
      allow_anonymous: "false",
      persistence: "true",
      autosave_on_changes: "true",
      autosave_interval: "1",
      max_queued_messages: "0",
      max_packet_size: String(defaultPacketLimitBytes),
    });
    const { broker, accounts } = readProject(password).services;
    const folder = broker.environment.XDG_CONFIG_HOME ?? "";
    expect(main.get("password_file")).toBe(`${folder}/passwords`);
    expect(accounts.command?.at(-1)).toContain(`cd ${folder}\n`);
  });

  it("holds peers apart with exactly the rules of topics.md [ACL-1] [ACL-2]", () => {
    const rules = optionsOf(readRoot("broker/mosquitto/access/peer/access.acl"));
    const lines = rules.filter(([name]) => name === "pattern").map(([name, value]) => `${name} ${value}`);
    expect(lines).toEqual(blocksOf(sectionNamed("Access rules"))[0]?.text.trim().split("\n"));
    for (const lan of ["team", "network"]) {
      const text = readRoot(`broker/mosquitto/access/${lan}/access.acl`);
      // The account of the health check has the same rights everywhere.
      expect(text.slice(text.indexOf("# The account of"))).toBe(
        readRoot("broker/mosquitto/access/peer/access.acl").replace(/^[\s\S]*(?=# The account of)/, ""),
      );
    }
  });
});
