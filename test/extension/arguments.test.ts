import { describe, expect, it } from "vitest";
import { parseArguments, splitReceivers, splitWord } from "../../extension/arguments.ts";

const table = { name: "text", yes: "switch" } as const;

function parse(line: string) {
  return parseArguments(line, table, "USAGE", 1);
}

describe("parseArguments", () => {
  it("reads words and options in any order", () => {
    expect(parse("lab --yes --name dev")).toEqual({ words: ["lab"], options: { name: "dev", yes: true } });
    expect(parse("--name=dev lab")).toEqual({ words: ["lab"], options: { name: "dev" } });
    expect(parse("   ")).toEqual({ words: [], options: {} });
  });

  it("keeps together what stands in quotation marks", () => {
    expect(parse(`"My Team" --name 'a "b" c'`)).toEqual({ words: ["My Team"], options: { name: 'a "b" c' } });
    expect(parse(`--name="x y"z`)).toEqual({ words: [], options: { name: "x yz" } });
    expect(parse(`--name ""`)).toEqual({ words: [], options: { name: "" } });
  });

  it.each([
    ["lab --foo", /'--foo'.*USAGE/],
    ["lab --name", /--name.*USAGE/],
    ["lab --yes=no", /--yes.*USAGE/],
    ["lab rat", /"rat" is too much.*USAGE/],
    ["lab 'x", /not closed/],
    ['lab "x', /not closed/],
  ])("refuses %s by name", (line, message) => {
    expect(() => parse(line)).toThrow(
      expect.objectContaining({ code: "bad-argument", message: expect.stringMatching(message) }),
    );
  });
});

describe("splitWord", () => {
  it("takes one space away and leaves the rest as it was typed", () => {
    expect(splitWord("  send  two  spaces ")).toEqual(["send", " two  spaces "]);
    expect(splitWord("")).toEqual(["", ""]);
  });
});

describe("splitReceivers", () => {
  it.each([
    ["dev hello", { to: ["dev"], text: "hello" }],
    [`dev,prod  "a"  'b' --c`, { to: ["dev", "prod"], text: ` "a"  'b' --c` }],
    ["dev line 1\nline 2", { to: ["dev"], text: "line 1\nline 2" }],
    ["dev,all hello", { to: "all", text: "hello" }],
    ["all hello", { to: "all", text: "hello" }],
    ["dev", { to: ["dev"], text: "" }],
    ["", { to: [], text: "" }],
  ])("reads %j", (line, expected) => {
    expect(splitReceivers(line)).toEqual(expected);
  });

  it.each(["dev, prod hello", "dev ,prod hello", "dev, hello"])(
    "does not guess where the text begins in %j",
    (line) => {
      expect(() => splitReceivers(line)).toThrow(expect.objectContaining({ code: "bad-argument" }));
    },
  );
});
