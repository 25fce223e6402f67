/**
 * Loads a part of this extension that is needed for the first time.
 *
 * @param load imports it
 * @throws Error with the way out where its file is gone: a person has updated the package while this Pi ran
 */
export async function loadPart<Part>(load: () => Promise<Part>): Promise<Part> {
  try {
    return await load();
  } catch (cause) {
    if (!(cause instanceof Error && "code" in cause && /^(ERR_)?MODULE_NOT_FOUND$/.test(String(cause.code))))
      throw cause;
    throw new Error(
      `A part of pilink is not there any more: it was updated or removed while this Pi ran. Type /reload. ${cause.message}`,
      { cause },
    );
  }
}
