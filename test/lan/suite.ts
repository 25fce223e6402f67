import { execFileSync } from "node:child_process";
import { describe, it } from "vitest";
import { findMosquitto } from "../support/brokers.ts";

// Of the packages mosquitto, mosquitto-clients and openssl.
const programs = ["mosquitto_passwd", "mosquitto_sub", "openssl"];

/**
 * Runs a suite where Mosquitto and its tools are installed. Elsewhere it is skipped and says so, unless
 * `PILINK_REQUIRE_BROKERS` is 1: then it is a failing test.
 */
export function describeLan(name: string, suite: () => void): void {
  const missing = [...(findMosquitto() === undefined ? ["mosquitto"] : []), ...programs.filter(isMissing)];
  if (missing.length === 0) {
    describe(name, suite);
    return;
  }
  const reason = `not installed: ${missing.join(", ")}`;
  if (process.env.PILINK_REQUIRE_BROKERS === "1") {
    it(name, () => {
      throw new Error(`${reason}, and PILINK_REQUIRE_BROKERS is 1.`);
    });
    return;
  }
  const heading = `${name} (skipped: ${reason})`;
  // The usual reporter only counts what was skipped; whoever reads the output shall know why.
  process.stderr.write(`${heading}\n`);
  describe.skip(heading, suite);
}

function isMissing(program: string): boolean {
  try {
    execFileSync("/bin/sh", ["-c", `command -v ${program}`], { stdio: "ignore" });
    return false;
  } catch {
    return true;
  }
}
