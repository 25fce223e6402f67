import type { ExtensionContext } from "@earendil-works/pi-coding-agent";

/** What a person is asked before something that cannot be taken back. */
export interface Question {
  title: string;
  /** What would come of it. */
  text: string;
  /** What happens with a no, as it follows "No, ". */
  no: string;
  /** What happens with a yes, as it follows "Yes, ". */
  yes: string;
}

/**
 * Asks a person about something that cannot be taken back. The question may come up while the person types: Enter alone
 * and Escape mean no.
 *
 * @param signal takes the question back, which means no
 */
export async function isAgreed(
  { ui }: { ui: Pick<ExtensionContext["ui"], "select"> },
  { title, text, no, yes }: Question,
  signal?: AbortSignal,
): Promise<boolean> {
  const agreed = `Yes, ${yes}`;
  // Pi's own question of this kind has "Yes" first, and chosen.
  const picked = await ui.select(`${title}\n${text}`, [`No, ${no}`, agreed], signal === undefined ? {} : { signal });
  return picked === agreed;
}
