import { describe, expect, it } from "vitest";
import { findSecret, prepareSecrets } from "../../peer/secrets.ts";

// Made of parts, so that no scanner takes this file for a leak.
const made = (length: number, letters = "a1B2c3D4") =>
  letters.repeat(Math.ceil(length / letters.length)).slice(0, length);

describe("findSecret", () => {
  it.each([
    ["a private key", `-----BEGIN ${"RSA PRIVATE"} KEY-----\n${made(64)}`],
    ["GitHub", `use ${"ghp"}_${made(36)} for that`],
    ["GitLab", `${"glpat"}-${made(20)}`],
    ["PostgreSQL", `postgres://app:${made(12)}@db.example.com/app`],
    ["a web token", `Bearer ${"eyJ"}${made(20)}.${"eyJ"}${made(20)}.${made(30)}`],
    ["key, token or password", `API_KEY=${made(32, "9f8a7b6c")}`],
    ["key, token or password", `the password is: ${"Tr0ub4dor&3xyz"}`],
    ["key, token or password", `{"secret": "${made(24)}"}`],
  ])("finds %s", async (kind, text) => {
    const found = await findSecret(`Hello,\n${text}\nplease use it`);
    expect(found).toContain(kind);
    expect(text).not.toContain(found);
  });

  it("is not switched off by the text itself", async () => {
    const text = `secretlint-disable\n${"glpat"}-${made(20)}\nsecretlint-enable`;
    expect(await findSecret(`// ${text}`)).toContain("GitLab");
  });

  it.each([
    "Can you review the diff of auth.ts? The password field is not masked.",
    "token: see the README; secrets are in the vault",
    "const apiKey = process.env.API_KEY;",
    "The commit is 9f8a7b6c5d4e3f2a1b0c9d8e7f6a5b4c3d2e1f00, see https://example.com/path?x=1",
    "password: <your password, 12 characters>",
    "",
  ])("lets pass: %s", async (text) => {
    expect(await findSecret(text)).toBeUndefined();
  });

  it("leaves nothing in the process that grows with each message", async () => {
    await prepareSecrets();
    const before = performance.getEntries().length;
    for (const text of ["Done.", "Please review it.", "Which branch?"]) await findSecret(text);
    expect(performance.getEntries()).toHaveLength(before);
  });

  it("takes the largest body", async () => {
    await prepareSecrets();
    expect(await findSecret("lorem ipsum dolor ".repeat(58_000))).toBeUndefined();
    expect(await findSecret(`key=${"a".repeat(1_000_000)}`)).toBeUndefined();
    // Each of these words begins a look for what follows it.
    expect(await findSecret("token:".repeat(170_000))).toBeUndefined();
  });
});
