import { brokerStatus } from "../../broker/managed.ts";
import { findNetworks } from "../../peer/networks.ts";
import { count } from "../../peer/texts.ts";
import { cleanLine } from "../../protocol/clean.ts";
import { readRecords } from "../background/record.ts";
import type { Context } from "../context.ts";
import { type ExitCode, exitCodes } from "../exit-codes.ts";
import type { Given } from "../given.ts";
import { type Place, placeHere } from "../place.ts";

/** `pilink networks` */
export async function runNetworks({ url }: Given, context: Context): Promise<ExitCode> {
  const place = placeHere({ url });
  const address = await findBroker(place);
  if (address === undefined) {
    context.note("No broker runs, so there is no network. pilink join <network> --create --background starts both.");
    return exitCodes.done;
  }
  const { username, password, ca } = place.values;
  const found = await findNetworks({ home: place.home, url: address, username, password, ca });
  const own = (await readRecords(place.home)).filter(({ isAlive }) => isAlive).map(({ record }) => record);
  for (const { network, host, isOpen, agents, about } of found) {
    const joined = own.filter((record) => record.network === network).map(({ name }) => name);
    const told = about === undefined ? undefined : cleanLine(about, 200);
    await context.output.result(
      { network, host, open: isOpen, agents, about: about ?? null, joined },
      [
        context.output.styled("bold", network),
        `host ${host}${isOpen ? "" : ", which does not answer"}`,
        count(agents, "agent"),
        ...(joined.length === 0 ? [] : [`here as ${joined.join(", ")}`]),
        ...(told === undefined ? [] : [told]),
      ].join(" — "),
    );
  }
  if (found.length === 0)
    context.note("No network is on this broker. pilink join <network> --create --background creates one.");
  return exitCodes.done;
}

/** The address of the broker that is meant; undefined where that is the home's own and it does not run. */
export async function findBroker({ home, values }: Place): Promise<string | undefined> {
  if (values.url !== undefined) return values.url;
  const status = await brokerStatus({ home });
  return status.running ? status.url : undefined;
}
