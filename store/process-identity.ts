import { z } from "zod";

/**
 * What tells one process from every other, also from a later one with the same process id.
 * A part that the platform does not give is null.
 */
export const processIdentitySchema = z.object({
  pid: z.int().positive(),
  /** When the process began, in whatever unit the platform has; only compared for equality. */
  start: z.string().nullable(),
  /** The machine's name. */
  host: z.string(),
  /** The machine's boot, after which no process of an earlier one lives. */
  boot: z.string().nullable(),
  /** The space in which the process id counts: containers that share a folder do not share it. */
  space: z.string().nullable(),
});

/** See {@link processIdentitySchema}. */
export type ProcessIdentity = z.infer<typeof processIdentitySchema>;
