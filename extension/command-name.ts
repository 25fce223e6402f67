import type { ExtensionAPI } from "@earendil-works/pi-coding-agent";

/** The command that people know. */
export const commandName = "pilink";

/** The command where another extension has taken that one. */
export const otherCommandName = "pilink-mqtt";

/** @returns the path of another extension that registered the same command: Pi has renamed both then */
export function findClash(pi: Pick<ExtensionAPI, "getCommands">, ownPath: string): string | undefined {
  const all = pi.getCommands().filter(({ name }) => name === commandName || name.startsWith(`${commandName}:`));
  return all.length < 2 ? undefined : all.map(({ sourceInfo }) => sourceInfo.path).find((path) => path !== ownPath);
}

/** The command that a person can type: Pi gives a name that two extensions want to none of them. */
export function usedCommandName(pi: Pick<ExtensionAPI, "getCommands">): string {
  return pi.getCommands().some(({ name }) => name === commandName) ? commandName : otherCommandName;
}

/** Puts the command that can be typed into a text which names the usual one. */
export function nameCommand(text: string, used: string): string {
  return used === commandName ? text : text.replace(/(?<![\w./-])\/pilink(?![\w:/-])/g, `/${used}`);
}
