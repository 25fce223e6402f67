import { z } from "zod";
import { messageOf } from "../protocol/errors.ts";

/** What a child can be asked for, by the word that asks for it. What it gives is put into JSON. */
export type Services = Record<string, (argument: unknown) => unknown>;

const requestSchema = z.object({ id: z.int(), what: z.string(), argument: z.unknown() });

/**
 * A service whose argument is checked.
 *
 * @param form what the argument has to be
 * @param answer what is done with it
 */
export function service<Argument>(
  form: z.ZodType<Argument>,
  answer: (argument: Argument) => unknown,
): (argument: unknown) => unknown {
  return (argument) => answer(form.parse(argument));
}

/**
 * Answers the bench in a process that it started, and ends with it.
 *
 * @param services what can be asked for
 */
export function serve(services: Services): void {
  process.on("message", (message) => {
    const { id, what, argument } = requestSchema.parse(message);
    answerOne(services, what, argument).then(
      (value) => process.send?.({ re: id, value: value ?? null }),
      (error: unknown) => process.send?.({ re: id, error: messageOf(error) }),
    );
  });
  process.on("disconnect", () => process.exit(0));
}

async function answerOne(services: Services, what: string, argument: unknown): Promise<unknown> {
  const answer = services[what];
  if (answer === undefined) throw new Error(`This process does not know "${what}".`);
  return await answer(argument);
}

/**
 * The time by a clock that all processes of one machine share (CLOCK_MONOTONIC on Linux), in milliseconds since some
 * moment. `performance.now()` counts from the start of each process, by a wall clock that may have moved since.
 */
export function nowMs(): number {
  return Number(process.hrtime.bigint()) / 1e6;
}
