import { z } from "zod";

/** Where a peer is opened. */
export const pilinkPlaceSchema = z.object({
  kind: z.literal("pilink"),
  does: z.enum(["create", "join"]),
  network: z.string(),
  name: z.string(),
  home: z.string(),
  /** The broker; the managed one where it is null. */
  url: z.string().nullable(),
});
/** A peer of a network. */
export type PilinkPlace = z.infer<typeof pilinkPlaceSchema>;

const mqttSchema = z.object({ kind: z.literal("mqtt"), name: z.string(), address: z.string() });
/** A bare client of a broker. */
export type MqttPlace = z.infer<typeof mqttSchema>;

const keptSchema = z.object({
  kind: z.literal("kept"),
  name: z.string(),
  address: z.string(),
  /** Where its file is; the folder exists. */
  folder: z.string(),
});
/** A client of a broker that keeps what it sends and what it receives. */
export type KeptPlace = z.infer<typeof keptSchema>;

const sseSchema = z.object({ kind: z.literal("sse"), name: z.string(), port: z.int() });
/** A client of the hub. */
export type SsePlace = z.infer<typeof sseSchema>;

const tcpSchema = z.object({ kind: z.literal("tcp"), port: z.int() });
/** A client of the TCP relay. */
export type TcpPlace = z.infer<typeof tcpSchema>;

/** Where an end is opened. */
export const placeSchema = z.discriminatedUnion("kind", [
  pilinkPlaceSchema,
  mqttSchema,
  keptSchema,
  sseSchema,
  tcpSchema,
]);
export type Place = z.infer<typeof placeSchema>;

const receiverSchema = z.union([z.string(), z.array(z.string())]);

/** One text to send. It begins with its `index`, by which its arrival is known. */
export const sendSchema = z.object({ to: receiverSchema, index: z.int(), bytes: z.int() });
/** Texts to send one after another, with pauses. */
export const paceSchema = z.object({ to: receiverSchema, count: z.int(), everyMs: z.number(), bytes: z.int() });
/** Texts that each end of the process sends as fast as it can, with so many of its own on their way at a time. */
export const floodSchema = z.object({ to: receiverSchema, count: z.int(), inFlight: z.int(), bytes: z.int() });

/** When a text was sent, and when its end had it confirmed. */
export const sampleSchema = z.object({ index: z.int(), sentMs: z.number(), confirmedMs: z.number() });
export type Sample = z.infer<typeof sampleSchema>;

/** From the first text sent to the last confirmed. */
export const spanSchema = z.object({ beganMs: z.number(), endedMs: z.number() });
export type Span = z.infer<typeof spanSchema>;

/** The texts that arrived, in their order: the index of each, and when. */
export const arrivalsSchema = z.array(z.tuple([z.int(), z.number()]));
export type Arrivals = z.infer<typeof arrivalsSchema>;

/** Messages for a peer that is away. */
export const absenceSchema = z.object({ to: z.string(), count: z.int(), bytes: z.int() });

/** How somebody came back to the mail that waited: its call to join, its entrance, the first message and the last. */
export const mailSchema = z.object({
  beganMs: z.number(),
  enteredMs: z.number(),
  firstMs: z.number(),
  lastMs: z.number(),
});
export type Mail = z.infer<typeof mailSchema>;
