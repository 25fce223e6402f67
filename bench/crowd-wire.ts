import { z } from "zod";

/** One peer's place. */
export const seatSchema = z.object({ network: z.string(), name: z.string() });
/** See {@link seatSchema}. */
export type Seat = z.infer<typeof seatSchema>;

/** Who enters, and how. */
export const enteringSchema = z.object({
  seats: z.array(seatSchema),
  creates: z.boolean(),
  /** How many enter at the same time. */
  atOnce: z.int(),
  home: z.string(),
  /** Null for the managed broker. */
  url: z.string().nullable(),
});

/** The bare clients of one process, and how many there are in all. */
export const bareCrowdSchema = z.object({
  address: z.string(),
  names: z.array(z.string()),
  total: z.int(),
  atOnce: z.int(),
  /** What each says of itself. */
  record: z.string(),
});

/** What is waited for: the first of some events at each peer of a network, but the one of a name. */
export const watchSchema = z.object({
  events: z.array(z.enum(["roster", "joined", "departed", "suspended", "closed"])),
  network: z.string(),
  except: z.string().nullable(),
});

/** What one peer says of itself. */
export const sightSchema = z.object({ seat: seatSchema, role: z.string() });
