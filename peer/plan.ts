import { PilinkError } from "../protocol/errors.ts";
import { parseName } from "../protocol/names.ts";
import type { ResolvedSettings } from "./config.ts";
import type { Settings } from "./settings.ts";

/** How to enter: `either` joins the network where it is, and creates it where it is not. */
export type EnterKind = "create" | "join" | "either";

/** How to enter, checked as far as it can be without a broker. */
export interface EnterPlan {
  kind: EnterKind;
  network: string;
  name: string;
  home: string;
  settings: Settings;
  /** True where the person set the name: then no other one is taken instead of it. */
  isNameChosen: boolean;
  folder: string;
  model: string | undefined;
  about: string | undefined;
  /** What was made of what the person typed. */
  notes: string[];
}

/** What a face knows of an entrance before it is planned. */
export interface PlanRequest {
  kind: EnterKind;
  home: string;
  /** The working folder, absolute. */
  folder: string;
  settled: Pick<ResolvedSettings, "values" | "isNameChosen">;
  /** The name that is carried where none is set. */
  usualName: string;
  /** What to tell where no network is named. */
  missing: string;
  model?: string | undefined;
  about?: string | undefined;
}

/**
 * Plans an entrance: the names as they will be, and what was made of those that were typed.
 *
 * @throws PilinkError `bad-argument` where no network is named, `bad-name`
 */
export function planEntering(request: PlanRequest): EnterPlan {
  const { kind, home, folder, settled, usualName, missing, model, about } = request;
  const { values: settings, isNameChosen } = settled;
  if (settings.network === undefined) throw new PilinkError("bad-argument", missing);
  const network = parseName(settings.network, "network");
  const name = settings.name === undefined ? usualName : parseName(settings.name);
  const notes = [
    ...(network === settings.network ? [] : [`"${settings.network}" was made into the network name "${network}".`]),
    ...(settings.name === undefined || settings.name === name
      ? []
      : [`"${settings.name}" was made into the name "${name}".`]),
  ];
  return { kind, network, name, home, settings, isNameChosen, folder, model, about, notes };
}
