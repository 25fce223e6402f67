import { execFile } from "node:child_process";
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { temporaryHome } from "../support/temporary-home.ts";
import { blocksOf, sectionsOf } from "../topics/document.ts";
import { readRoot } from "./compose.ts";

/** The shell blocks below a heading of broker/mosquitto/README.md, as lines. @throws Error where there is none */
export function recipe(heading: string): string[][] {
  const section = sectionsOf(readRoot("broker/mosquitto/README.md")).find((each) => each.heading === heading);
  if (section === undefined) throw new Error(`broker/mosquitto/README.md has no section "${heading}".`);
  return blocksOf(section)
    .filter(({ language }) => language === "sh")
    .map(({ text }) => text.trim().split("\n"));
}

/** What the recipe for TLS makes. */
export interface Certificates {
  /** The path of the authority's certificate, for clients. */
  authority: string;
  /** The folder for the broker. */
  folder: string;
}

/**
 * Makes an authority and a certificate with the commands of the README.
 *
 * @param names what takes the place of the names in the recipe
 * @param days how long it holds; negative for one that has expired
 */
export async function makeCertificates(names = "DNS:localhost,IP:127.0.0.1", days = 825): Promise<Certificates> {
  const { path } = await temporaryHome();
  const folder = join(path, "broker", "mosquitto");
  await mkdir(folder, { recursive: true });
  const text = (recipe("TLS")[0] ?? []).join("\n");
  const changed = text.replace("DNS:broker.lan,IP:192.168.1.20", names).replace("-days 825", `-days ${days}`);
  await promisify(execFile)("/bin/sh", ["-euc", changed], { cwd: path });
  return { authority: join(folder, "authority", "ca.crt"), folder: join(folder, "certificates") };
}
