import { z } from "zod";

const fieldSchema: z.ZodType<Field> = z.lazy(() =>
  z.object({
    type: z.string().optional(),
    const: z.unknown().optional(),
    enum: z.array(z.string()).optional(),
    pattern: z.string().optional(),
    minimum: z.number().optional(),
    maximum: z.number().optional(),
    maxLength: z.number().optional(),
    minItems: z.number().optional(),
    maxItems: z.number().optional(),
    items: fieldSchema.optional(),
    anyOf: z.array(fieldSchema).optional(),
    properties: z.record(z.string(), fieldSchema).optional(),
    required: z.array(z.string()).optional(),
  }),
);

/** One field as JSON Schema describes it. */
export interface Field {
  type?: string | undefined;
  const?: unknown;
  enum?: string[] | undefined;
  pattern?: string | undefined;
  minimum?: number | undefined;
  maximum?: number | undefined;
  maxLength?: number | undefined;
  minItems?: number | undefined;
  maxItems?: number | undefined;
  items?: Field | undefined;
  anyOf?: Field[] | undefined;
  properties?: Record<string, Field> | undefined;
  required?: string[] | undefined;
}

/** A schema's fields, each with the cells that topics.md has for it. */
export interface FieldRow {
  name: string;
  required: boolean;
  type: string;
  limit: string;
}

const idPattern = "^[A-Za-z0-9_-]{1,64}$";
const namePattern = "^[a-z0-9-][a-z0-9_-]*$";

/** The fields of an object schema as rows of a table of topics.md. */
export function fieldRowsOf(schema: z.ZodType): FieldRow[] {
  const object = fieldSchema.parse(z.toJSONSchema(schema, { unrepresentable: "any" }));
  return rowsOf(object);
}

/** The variants of a discriminated union, by the value of its `type`. */
export function variantRowsOf(schema: z.ZodType): Map<string, FieldRow[]> {
  const union = z.object({ oneOf: z.array(fieldSchema) }).parse(z.toJSONSchema(schema));
  return new Map(
    union.oneOf.map((variant) => {
      const rows = rowsOf(variant).filter(({ name }) => name !== "type");
      return [String(variant.properties?.type?.const), rows];
    }),
  );
}

function rowsOf(object: Field): FieldRow[] {
  return Object.entries(object.properties ?? {}).map(([name, field]) => ({
    name,
    required: object.required?.includes(name) === true,
    type: typeOf(field),
    limit: limitOf(field),
  }));
}

function typeOf(field: Field): string {
  if (field.anyOf !== undefined) return field.anyOf.map(typeOf).join(" or ");
  if (field.const !== undefined) return `\`${field.const}\``;
  if (field.enum !== undefined) return field.enum.map((value) => `\`${value}\``).join(", ");
  if (field.type === "array") return `list of ${typeOf(field.items ?? {})}`;
  if (field.type === "object") {
    return `{${rowsOf(field)
      .map(({ name, type }) => `\`${name}\`: ${type}`)
      .join(", ")}}`;
  }
  if (field.type === "string") {
    if (field.pattern === idPattern) return "id";
    if (field.pattern === namePattern && field.maxLength === 64) return "name";
    if (field.pattern === undefined) return "text";
    throw new Error(`topics.md has no word for the pattern ${field.pattern}.`);
  }
  if (field.type === undefined) return "any JSON";
  return field.type;
}

function limitOf(field: Field): string {
  if (field.type === "array") return `${field.minItems} to ${field.maxItems}, each ${limitOf(field.items ?? {})}`;
  if (field.type === "integer") {
    const isOpen = field.maximum === undefined || field.maximum === Number.MAX_SAFE_INTEGER;
    return isOpen ? `≥ ${field.minimum}` : `${field.minimum} … ${field.maximum}`;
  }
  if (field.type === "string" && field.pattern === undefined && field.maxLength !== undefined)
    return `≤ ${field.maxLength}`;
  return "";
}
