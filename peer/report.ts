import { protocolVersion } from "../protocol/version.ts";
import type { Check } from "./verdicts.ts";

// This package's `engines`, which is Pi's own floor.
const oldestNode = [22, 19] as const;

/** The report: how many of each verdict, then a line for each check, with its way out below. */
export function describeChecks(checks: readonly Check[]): string {
  const numbers = (["failed", "warning", "ok"] as const).flatMap((verdict) => {
    const number = checks.filter((check) => check.verdict === verdict).length;
    return number === 0 ? [] : [`${number} ${verdict}`];
  });
  return [
    `pilink doctor: ${numbers.join(", ")}`,
    ...checks.flatMap(({ name, verdict, text, wayOut }) => [
      `${verdict.padEnd(7)} ${name}: ${text}`,
      ...(wayOut === undefined ? [] : [`        → ${wayOut}`]),
    ]),
  ].join("\n");
}

/** The worst verdict of all. */
export function worstOf(checks: readonly Check[]): Check["verdict"] {
  if (checks.some(({ verdict }) => verdict === "failed")) return "failed";
  return checks.some(({ verdict }) => verdict === "warning") ? "warning" : "ok";
}

/**
 * The versions of what runs this.
 *
 * @param version this package's
 * @param others what else is to be named, each with its version
 * @param node the version of Node
 */
export function checkVersions(
  version: string,
  others: readonly string[] = [],
  node: string = process.versions.node,
): Check {
  const [major = 0, minor = 0] = node.split(".").map(Number);
  const [wantedMajor, wantedMinor] = oldestNode;
  const isOld = major < wantedMajor || (major === wantedMajor && minor < wantedMinor);
  return {
    name: "versions",
    verdict: isOld ? "failed" : "ok",
    text: [`pilink ${version}`, `protocol ${protocolVersion}`, ...others, `Node ${node}`].join(", "),
    ...(isOld ? { wayOut: `Install Node ${oldestNode.join(".")} or newer.` } : {}),
  };
}
