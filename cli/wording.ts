// What the messages of the layers below advise to type in a Pi, and what is typed in a shell instead.
const shellWords: readonly (readonly [RegExp, string])[] = [
  [/Run \/pilink setup to start or join a new (network|one)/g, "See pilink networks for those that run"],
  [/\/pilink server start/g, "pilink broker"],
  [/\/pilink server stop/g, "pilink broker stop"],
  [/\/pilink doctor/g, "pilink doctor"],
  [/\/pilink leave/g, "pilink leave"],
  [/\/pilink create (starts)/g, "pilink broker $1"],
  [/\/pilink create (would start)/g, "pilink join --create $1"],
  [/\/pilink create <network>/g, "pilink join <network> --create --background"],
  [/\/pilink create (\S+?)(?=[\s,.]|$)/g, "pilink join $1 --create --background"],
  [/\/pilink join (\S+?)(?=[\s,.]|$)/g, "pilink join $1 --background"],
  [/\/pilink config shows what holds now; \/trust is where you say that you trust a folder\./g, trustAdvice()],
  [/\/pilink config shows where it is set\./g, "Look into the environment, .pilink.json and config.json."],
  [/ \(\/trust\)/g, ""],
];

function trustAdvice(): string {
  return "A shell has nobody to ask about a folder: set it in the environment or in config.json.";
}

/** A message of the layers below as it should stand in a shell. */
export function inShellWords(text: string): string {
  return shellWords.reduce((said, [typed, instead]) => said.replace(typed, instead), text);
}
