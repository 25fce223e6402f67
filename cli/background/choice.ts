import { PilinkError } from "../../protocol/errors.ts";
import { parseName } from "../../protocol/names.ts";
import type { Place } from "../place.ts";
import { type BackgroundRecord, type FoundRecord, readRecords } from "./record.ts";

/**
 * The background peer that a command means: the one of the network and the name that are set, or else the only one, or
 * else the only one of this folder.
 *
 * @param place whose network and name count where they are set by an option, the environment or the folder
 * @returns undefined where none that fits lives
 * @throws PilinkError `bad-argument` where there are several
 */
export async function chooseBackground(place: Place): Promise<BackgroundRecord | undefined> {
  return choose(
    place,
    (await findFitting(place)).filter(({ isAlive }) => isAlive),
  )?.record;
}

/** The same for a command that takes what is there: where none lives, one that has ended and left messages will do. */
export async function chooseForTaking(place: Place): Promise<FoundRecord | undefined> {
  const fitting = await findFitting(place);
  const living = fitting.filter(({ isAlive }) => isAlive);
  return choose(place, living.length > 0 ? living : fitting);
}

async function findFitting(place: Place): Promise<FoundRecord[]> {
  const { network, name } = wantedOf(place);
  return (await readRecords(place.home)).filter(
    ({ record }) =>
      (network === undefined || record.network === network) && (name === undefined || record.name === name),
  );
}

function choose(place: Place, candidates: FoundRecord[]): FoundRecord | undefined {
  const here = candidates.filter(({ record }) => record.folder === place.folder);
  const [only, ...others] = here.length === 1 ? here : candidates;
  if (only === undefined || others.length === 0) return only;
  throw new PilinkError(
    "bad-argument",
    `Several background peers fit: ${candidates.map(({ record }) => describeBackground(record)).join(", ")}. Say which with --as and --network, or set PILINK_NAME and PILINK_NETWORK.`,
  );
}

/** "build" in the network "lab" */
export function describeBackground({ network, name }: Pick<BackgroundRecord, "network" | "name">): string {
  return `"${name}" in the network "${network}"`;
}

/** The error where a command needs a background peer and there is none that fits. */
export function noBackground(place: Place): PilinkError {
  const { network, name } = wantedOf(place);
  const which = [
    name === undefined ? "" : ` of the name "${name}"`,
    network === undefined ? "" : ` in the network "${network}"`,
  ];
  return new PilinkError(
    "not-joined",
    `There is no background peer${which.join("")}. Start one with pilink join ${network ?? "<network>"}${name === undefined ? "" : ` --name ${name}`} --background.`,
  );
}

function wantedOf({ values, sources, isNameChosen }: Place): { network: string | undefined; name: string | undefined } {
  // What is only remembered, or set for everything in the home, says nothing about who is here now.
  const isSet = (key: "network" | "name") => sources[key] !== "home" && sources[key] !== "default";
  return {
    network: values.network !== undefined && isSet("network") ? parseName(values.network, "network") : undefined,
    name: values.name !== undefined && isNameChosen && isSet("name") ? parseName(values.name) : undefined,
  };
}
