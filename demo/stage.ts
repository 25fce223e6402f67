import { styleText } from "node:util";

/** Who is on the stage. */
export type Actor = "dev" | "prod";

const colours = { dev: "cyan", prod: "magenta" } as const;

/** Prints what happens, so that somebody who has never seen it can follow. */
export class Stage {
  #scene = 0;

  /** The title of the show and what to know before it. */
  open(title: string, lines: string[]): void {
    console.log(styleText("bold", title));
    for (const line of lines) console.log(line);
  }

  /** A new step of the story. */
  scene(text: string): void {
    this.#scene += 1;
    console.log(`\n${styleText("bold", `${this.#scene}. ${text}`)}`);
  }

  /** What a person types into a session. */
  types(actor: Actor, text: string): void {
    this.#print(actor, styleText("bold", `> ${text}`));
  }

  /** What a session shows. */
  shows(actor: Actor, text: string): void {
    for (const line of text.split("\n")) this.#print(actor, line);
  }

  /** A measured duration, in milliseconds. */
  measured(what: string, tookMs: number): void {
    console.log(`   ${what.padEnd(52)} ${tookMs.toFixed(1).padStart(7)} ms`);
  }

  #print(actor: Actor, line: string): void {
    console.log(`   ${styleText(colours[actor], `${actor.padEnd(4)} │`)} ${line}`);
  }
}
