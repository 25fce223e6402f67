import { runBroker, type TestBroker } from "../support/broker-process.ts";
import { findMosquitto } from "../support/brokers.ts";
import { type Project, readProject, type Variables } from "./compose.ts";
import { type Container, layOut, type Said } from "./container.ts";
import { recipe } from "./recipe.ts";

/** The password that `.env` has in these tests: with what a shell, YAML and Mosquitto might stumble over. */
export const teamPassword = 'it\'s $5: "two" # three';

/** What `docker compose up -d` would bring up. */
export interface Lan {
  broker: TestBroker;
  project: Project;
  container: Container;
  /** The address of a port of the container, as a client on this machine uses it. */
  url(inside: number, scheme?: string): string;
  /** Runs the service `accounts` again. */
  makeAccounts(variables?: Variables): Promise<Said>;
  /** Runs the health check; 0 is healthy. */
  checkHealth(): Promise<number>;
  /** Makes an account as broker/mosquitto/README.md says, and lets the broker read it. */
  addAccount(name: string, password: string): Promise<void>;
  /** Removes one, likewise. */
  removeAccount(name: string): Promise<void>;
}

/**
 * Brings up Debian's Mosquitto with exactly what the compose file mounts.
 *
 * @param variables of `.env`, beside the password
 * @param tls with `docker-compose.tls.yml`; `certificates` is the folder to mount
 */
export async function startLan(variables: Variables = {}, tls?: { certificates: string }): Promise<Lan> {
  const env = { PILINK_PASSWORD: teamPassword, ...variables };
  const project = readProject(env, tls !== undefined);
  const { broker: service } = project.services;
  const replaced = tls === undefined ? {} : { "/mosquitto/certificates": tls.certificates };
  const container = await layOut(service, replaced);

  const makeAccounts = async (changed: Variables = {}) => {
    const { accounts } = readProject({ ...env, ...changed }).services;
    return container.run(accounts.command ?? [], { service: accounts });
  };
  const made = await makeAccounts();
  if (made.code !== 0) throw new Error(`The service "accounts" failed with ${made.code}:\n${made.output}`);

  const mosquitto = findMosquitto();
  if (mosquitto === undefined) throw new Error("Mosquitto is not installed; on Debian: apt-get install mosquitto.");
  const broker = await runBroker({
    name: "Mosquitto of the LAN",
    port: container.port(1883),
    // The image's own command.
    ...container.commandLine([mosquitto, "-c", "/mosquitto/config/mosquitto.conf"]),
    ready: /mosquitto version .* running/,
  });

  const runDocumented = async (line: string, account: string, input = "") => {
    const [program, compose, verb, ...rest] = line.split(" ");
    if (`${program} ${compose}` !== "docker compose") throw new Error(`Not for Docker Compose: ${line}`);
    if (verb === "kill" && rest.join(" ") === "-s HUP broker") {
      const pid = broker.pid();
      if (pid !== undefined) process.kill(pid, "SIGHUP");
      return;
    }
    const [target, ...command] = rest;
    if (verb !== "exec" || target !== "broker" || command.at(-1) !== "lab") throw new Error(`Not known here: ${line}`);
    const { code, output } = await container.run(command.with(-1, account), { input });
    if (code !== 0) throw new Error(`${line} failed with ${code}:\n${output}`);
  };

  return {
    broker,
    project,
    container,
    url: (inside, scheme = "mqtt") => `${scheme}://127.0.0.1:${container.port(inside)}`,
    makeAccounts,
    async checkHealth() {
      const [kind, ...command] = service.healthcheck?.test ?? [];
      if (kind !== "CMD") throw new Error(`Not a health check that is run without a shell: ${kind}`);
      const timeoutMs = Number.parseInt(service.healthcheck?.timeout ?? "", 10) * 1_000;
      return (await container.run(command, { timeoutMs })).code;
    },
    async addAccount(name, password) {
      for (const line of recipe("Accounts")[0] ?? []) await runDocumented(line, name, `${password}\n${password}\n`);
    },
    async removeAccount(name) {
      for (const line of recipe("Accounts")[1] ?? []) await runDocumented(line, name);
    },
  };
}
