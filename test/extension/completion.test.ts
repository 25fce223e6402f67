import { describe, expect, it } from "vitest";
import { completeLine, type Known } from "../../extension/completion.ts";
import { subcommandNames } from "../../extension/subcommands.ts";

const known: Known = { networks: ["lab", "lab-2", "den"], urls: ["office"], peers: ["dev", "prod", "prod-2"] };

function complete(line: string): string[] | null {
  return completeLine(line, known)?.map(({ value }) => value) ?? null;
}

function labels(line: string): string[] | null {
  return completeLine(line, known)?.map(({ label }) => label) ?? null;
}

describe("completeLine", () => {
  it.each([
    ["join ", ["join lab", "join lab-2", "join den"]],
    ["join d", ["join den"]],
    ["join --yes d", ["join --yes den"]],
    ["join --name me d", ["join --name me den"]],
    ["join  l", ["join  lab", "join  lab-2"]],
    ["send ", ["send dev", "send prod", "send prod-2", "send all"]],
    ["send p", ["send prod", "send prod-2"]],
    ["send a", ["send all"]],
    ["send dev,", ["send dev,prod", "send dev,prod-2"]],
    ["send dev,pr", ["send dev,prod", "send dev,prod-2"]],
    ["send dev,prod,", ["send dev,prod,prod-2"]],
    ["delivery ", ["delivery inject", "delivery turn", "delivery hold", "delivery block", "delivery default"]],
    ["delivery default p", ["delivery default prod", "delivery default prod-2"]],
    ["delivery hold p", ["delivery hold prod", "delivery hold prod-2"]],
    ["auto o", ["auto on", "auto off"]],
    ["inbox c", ["inbox clear"]],
    ["server st", ["server start", "server stop", "server status"]],
    ["leave -", ["leave --yes"]],
    ["disconnect --y", ["disconnect --yes"]],
    ["create lab --a", ["create lab --about"]],
    ["create lab --url ", ["create lab --url office", "create lab --url local"]],
    ["join lab --url o", ["join lab --url office"]],
    ["server stop --url l", ["server stop --url local"]],
  ])("completes %j", (line, expected) => expect(complete(line)).toEqual(expected));

  it("shows the last part only, and puts the whole line in", () => {
    expect(completeLine("send dev,pr", known)?.[0]).toEqual({ value: "send dev,prod", label: "prod" });
    expect(labels("help ")).toEqual([...subcommandNames]);
    expect(labels("join lab --")).toEqual(["--name", "--role", "--url", "--yes"]);
    expect(labels("join lab --yes --")).toEqual(["--name", "--role", "--url"]);
  });

  it.each([
    // Complete words: with a list open, Enter would take from the list.
    "join lab",
    "join den",
    "send dev",
    "send prod",
    "send dev,prod",
    "send all",
    "leave --yes",
    "delivery hold prod",
    // Nothing is known of what comes.
    "join x",
    "join lab ",
    "join lab d",
    "leave ",
    "create ",
    "create l",
    "create lab --name ",
    "create lab --about d",
    "send dev ",
    "send dev h",
    "send all,",
    "send ,all,",
    "send prod hello d",
    "send dev,nobody,dev",
    "reply d",
    "setup ",
    "status ",
    "nonsense ",
    "constructor ",
    "join",
    'join "l',
    "create lab --about 'a d",
    "send dev don't d",
  ])("offers nothing for %j", (line) => expect(complete(line)).toBeNull());
});
