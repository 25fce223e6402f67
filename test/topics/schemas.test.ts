import { describe, expect, it } from "vitest";
import type { z } from "zod";
import { controlSchema, decodeControl } from "../../protocol/control.ts";
import {
  bodyLimitBytes,
  decodeInboxPayload,
  envelopeLimitBytes,
  envelopeSchema,
  hopsLimit,
} from "../../protocol/envelope.ts";
import { errorCodes } from "../../protocol/errors.ts";
import { nameLengthLimit } from "../../protocol/names.ts";
import { closingMarkSchema, decodeClosingMark, decodePresence, presenceSchema } from "../../protocol/presence.ts";
import { advanceState, decodeReceipt, isSettled, type MessageState, receiptSchema } from "../../protocol/receipt.ts";
import { type Channel, channels, everyone, formatTopic, parseTopic, topicRoot } from "../../protocol/topics.ts";
import { protocolVersion, recordLimitBytes } from "../../protocol/version.ts";
import { matchesFilter } from "../support/raw-mqtt.ts";
import { blocksOf, codesIn, readTopicsPage, sectionNamed, sectionsOf, tableOf } from "./document.ts";
import { fieldRowsOf, variantRowsOf } from "./json-schema.ts";

const headings = {
  envelope: "The envelope",
  inbox: "pilink/<network>/<peer>/inbox",
  presence: "pilink/<network>/<peer>/presence",
  receipts: "pilink/<network>/<peer>/receipts",
  control: "pilink/<network>/<peer>/control",
  claims: "pilink/<network>/_all/control",
  mark: "pilink/<network>/_all/presence",
} as const;

const decoders: [heading: string, decode: (payload: Uint8Array) => unknown][] = [
  [headings.inbox, decodeInboxPayload],
  [headings.presence, decodePresence],
  [headings.receipts, decodeReceipt],
  [headings.control, decodeControl],
  [headings.claims, decodeControl],
  [headings.mark, decodeClosingMark],
];

const topicSections = sectionsOf(readTopicsPage()).filter(({ heading }) => heading.startsWith(`${topicRoot}/`));

describe("the field tables of topics.md and the schemas say the same", () => {
  const schemas: [heading: string, schema: z.ZodType][] = [
    [headings.presence, presenceSchema],
    [headings.receipts, receiptSchema],
    [headings.mark, closingMarkSchema],
  ];
  it.each(schemas)("%s", (heading, schema) => {
    const stated = tableOf(heading, "field").rows.map((row) => ({
      name: codesIn(row.field ?? "")[0],
      required: row.required === "yes",
      type: row.type,
      limit: row.limit,
    }));
    expect(stated).toEqual(fieldRowsOf(schema));
  });

  it(headings.envelope, () => {
    const stated = tableOf(headings.envelope, "field").rows.map((row) => ({
      name: codesIn(row.field ?? "")[0],
      required: row.required !== "no",
      type: row.type,
      limit: codesIn(row.field ?? "")[0] === "body" ? "" : row.limit,
    }));
    expect(stated).toEqual(fieldRowsOf(envelopeSchema));
    const body = tableOf(headings.envelope, "field").rows.find(({ field }) => field === "`body`");
    expect(body?.limit).toBe(`${bodyLimitBytes.toLocaleString("en")} bytes`);
  });

  it("[ENV-4] what is required of a message by hand", () => {
    const example = JSON.parse(blocksOf(sectionNamed(headings.inbox))[0]?.text ?? "");
    for (const row of tableOf(headings.envelope, "field").rows) {
      const field = codesIn(row.field ?? "")[0] ?? "";
      const without = Buffer.from(JSON.stringify({ ...example, [field]: undefined }));
      if (row.required === "yes") {
        expect(row["default by hand"], field).not.toBe("");
        expect(decodeInboxPayload(without).kind, field).toBe("by-hand");
      } else if (row.required === "no") {
        expect(decodeInboxPayload(without).kind, field).toBe("envelope");
      } else if (field !== "v") {
        expect(row.required).toBe("always");
        expect(() => decodeInboxPayload(without), field).toThrow(expect.objectContaining({ code: "bad-payload" }));
      }
    }
  });

  it(headings.control, () => {
    const variants = variantRowsOf(controlSchema);
    const types = tableOf(headings.control, "type").rows;
    const carried = types.map((row) => [
      codesIn(row.type ?? "")[0],
      ["v", "from", "epoch", ...(row["also carries"] ?? "").split(", ")].filter((field) => field !== "").map(plain),
    ]);
    const actual = [...variants].map(([type, rows]) => [
      type,
      rows.map(({ name, required }) => (required ? name : `${name}?`)),
    ]);
    expect(carried).toEqual(actual);

    const stated = new Map(
      tableOf(headings.control, "field").rows.map((row) => [row.field, { type: row.type, limit: row.limit }]),
    );
    const used = new Set<string>();
    for (const [type, rows] of variants) {
      for (const row of rows) {
        const special = `\`${row.name}\` in \`${type}\``;
        const key = stated.has(special) ? special : `\`${row.name}\``;
        used.add(key);
        expect(stated.get(key), `${row.name} of ${type}`).toEqual({ type: row.type, limit: row.limit });
      }
    }
    expect([...stated.keys()]).toEqual(expect.arrayContaining([...used]));
    expect(used.size, `of ${[...stated.keys()].join(", ")}`).toBe(stated.size);
  });
});

describe("the topics of topics.md and protocol/topics.ts say the same", () => {
  const rows = tableOf("Topics", "topic").rows.map((row) => ({
    topic: codesIn(row.topic ?? "")[0] ?? "",
    retain: row.retained === "yes",
    qos: Number(row.QoS),
  }));

  it("the table of channels", () => {
    const stated = rows
      .filter(({ topic }) => topic.includes("<peer>"))
      .map(({ topic, retain, qos }) => [topic.split("/").at(-1), { qos, retain }]);
    expect(Object.fromEntries(stated)).toEqual(channels);
    expect(stated.length).toBe(Object.keys(channels).length);
  });

  it("[NAME-1] the topics of the whole network: those of the table, and no others", () => {
    const stated = rows
      .filter(({ topic }) => topic.includes(`/${everyone}/`))
      .map(({ topic }) => topic.split("/").at(-1));
    const possible = Object.keys(channels).filter((channel) => {
      try {
        return parseTopic(`${topicRoot}/lab/${everyone}/${channel}`).peer === everyone;
      } catch {
        return false;
      }
    });
    expect(stated.sort()).toEqual(possible.sort());
  });

  it("one section for each topic, with the QoS and retain of the table", () => {
    expect(topicSections.map(({ heading }) => heading)).toEqual(rows.map(({ topic }) => topic));
    for (const { topic, retain, qos } of rows) {
      const [first] = tableOf(topic, "publisher").rows;
      expect([first?.QoS, first?.retain], topic).toEqual([String(qos), retain ? "yes" : "no"]);
    }
  });
});

describe("the examples of topics.md", () => {
  it.each(decoders)("every payload of %s fits", (heading, decode) => {
    const examples = blocksOf(sectionNamed(heading)).filter(({ language }) => language === "json");
    expect(examples.length).toBeGreaterThan(0);
    for (const { text } of examples) {
      const decoded = decode(Buffer.from(text));
      expect(decoded, text).toBeTypeOf("object");
      // An example shows only what the tables name.
      if (heading !== headings.inbox) expect(decoded).toEqual(JSON.parse(text));
    }
  });

  it("the first message of the inbox is a complete envelope, the second is by hand", () => {
    const kinds = blocksOf(sectionNamed(headings.inbox))
      .filter(({ language }) => language === "json")
      .map(({ text }) => decodeInboxPayload(Buffer.from(text)).kind);
    expect(kinds).toEqual(["envelope", "by-hand"]);
  });

  it("one of each control type", () => {
    const shown = [headings.control, headings.claims].flatMap((heading) =>
      blocksOf(sectionNamed(heading))
        .filter(({ language }) => language === "json")
        .map(({ text }) => decodeControl(Buffer.from(text)).type),
    );
    expect(new Set(shown)).toEqual(new Set(variantRowsOf(controlSchema).keys()));
  });

  it.each(topicSections.map(({ heading }) => heading))("the lines to try of %s speak of it", (heading) => {
    const channel = heading.split("/").at(-1) ?? "";
    const lines = blocksOf(sectionNamed(heading))
      .filter(({ language }) => language === "sh")
      .flatMap(({ text }) => text.split("\n"));
    expect(lines.some((line) => line.startsWith("mosquitto_sub "))).toBe(true);
    for (const line of lines) {
      const topic = /-t '([^']+)'/.exec(line)?.[1] ?? "";
      const network = topic.split("/")[1] ?? "";
      expect(isChannel(channel) && matchesFilter(topic, formatTopic(network, topic.split("/")[2] ?? "", channel))).toBe(
        true,
      );
      const message = / -m '([^']+)'/.exec(line)?.[1];
      const decode = decoders.find(([each]) => each === heading)?.[1];
      if (message !== undefined) expect(decode?.(Buffer.from(message)), line).toBeTypeOf("object");
    }
  });
});

describe("the other tables of topics.md", () => {
  it("errors: the codes and sentences of protocol/errors.ts", () => {
    const stated = tableOf("Errors", "code").rows.map((row) => [codesIn(row.code ?? "")[0], row.meaning]);
    expect(stated).toEqual(Object.entries(errorCodes));
  });

  it("every code that stands in a requirement or a table of failures is one of the table", () => {
    const failures = tableOf("Entering a network", "what is found").rows.flatMap((row) =>
      codesIn(`${row["create fails with"]} ${row["join fails with"]}`),
    );
    const named = [...readTopicsPage().matchAll(/(?:with|code) `([a-z]+-[a-z-]+)`/g)].map((match) => match[1] ?? "");
    expect(named.length).toBeGreaterThan(10);
    for (const code of [...failures, ...named]) expect(Object.keys(errorCodes)).toContain(code);
  });

  it("limits", () => {
    const stated = Object.fromEntries(tableOf("MQTT profile", "limit").rows.map((row) => [row.limit, row.value]));
    expect(stated.body).toBe(`${bodyLimitBytes.toLocaleString("en")} bytes`);
    expect(stated.envelope).toBe(`${envelopeLimitBytes.toLocaleString("en")} bytes`);
    expect(stated["any other payload"]).toBe(`${recordLimitBytes.toLocaleString("en")} bytes`);
    expect(stated.name).toBe(`${nameLengthLimit} characters`);
    expect(sectionNamed("Loops").lines.join("\n")).toContain(`${hopsLimit} is the limit of \`hops\``);
    expect(readTopicsPage()).toContain(`The version is ${protocolVersion}.`);
  });

  it("[RCPT-3] states: the table is in the order in which a message moves forward", () => {
    const rows = tableOf("Delivery", "state").rows;
    const states = rows.map((row) => stateOf(codesIn(row.state ?? "")[0] ?? ""));
    expect(new Set(states)).toEqual(new Set(["queued", "sent", ...receiptSchema.shape.state.options]));
    for (const [index, state] of states.entries()) {
      expect(isSettled(state), state).toBe(rows[index]?.settled === "yes");
      for (const [otherIndex, other] of states.entries()) {
        expect(advanceState(state, other)).toBe(otherIndex > index ? other : state);
      }
    }
  });

  it("access rules: the same in words and for Mosquitto", () => {
    const acl = blocksOf(sectionNamed("Access rules"))[0]?.text.split("\n") ?? [];
    for (const line of acl) {
      const [, kind, right, topic] = /^(pattern) (read|write) (\S+)$/.exec(line) ?? [];
      expect(kind, line).toBe("pattern");
      const [root, network, peer, channel] = (topic ?? "").split("/");
      expect([root, network, isChannel(channel ?? "")]).toEqual([topicRoot, "+", true]);
      expect(["%u", "+", everyone]).toContain(peer);
      expect(["read", "write"]).toContain(right);
    }
    expect(new Set(acl).size).toBe(acl.length);
  });
});

/** `former`? → former? */
function plain(cell: string): string {
  return cell.replaceAll("`", "");
}

function isChannel(text: string): text is Channel {
  return Object.hasOwn(channels, text);
}

function stateOf(text: string): MessageState {
  if (text === "queued" || text === "sent") return text;
  return receiptSchema.shape.state.parse(text);
}
