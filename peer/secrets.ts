// A secret of a kind that has no form of its own is known by the word before it. What follows has to look made: long,
// with letters and digits, or the text "the token: see below" would be one. No look goes far, or a long text that
// repeats such words would take minutes.
const named =
  /\b(?:api[_-]?key|secret|token|passw(?:or)?d|pwd|credential|private[_-]?key)s?["']?\s*(?:[:=]|\bis\b:?)\s*["'`]?(?=[^\s"'`]{0,200}\d)(?=[^\s"'`]{0,200}[a-z])[^\s"'`<>{}()]{10,}/i;
const privateKey = /-----BEGIN [A-Z ]*PRIVATE KEY-----/;
const webToken = /\beyJ[\w-]{8,}\.eyJ[\w-]{8,}\.[\w-]{16,}/;

/**
 * Looks for what may be a secret in a text: keys, tokens, passwords in addresses. A hint for a person, no proof.
 *
 * @param text what is to be sent
 * @returns what it looks like, in words, without the secret itself; undefined where nothing was found
 */
export async function findSecret(text: string): Promise<string | undefined> {
  if (privateKey.test(text)) return "a private key";
  if (webToken.test(text)) return "a web token";
  const found = await findKnownForm(text);
  if (found !== undefined) return found;
  return named.test(text) ? "a key, token or password" : undefined;
}

/** Loads what {@link findSecret} needs, so that the first message does not wait for it. */
export async function prepareSecrets(): Promise<void> {
  await knownForms.load();
}

async function findKnownForm(text: string): Promise<string | undefined> {
  const { lintSource, rules } = await knownForms.load();
  const { messages } = await lintSource({
    source: { content: text, filePath: "message.txt", ext: ".txt", contentType: "text" },
    options: { noPhysicFilePath: true, config: { rules } },
  });
  const [first] = messages;
  if (first === undefined) return undefined;
  const kind = /^found (.+?)(?:\(|:)/.exec(first.message)?.[1];
  return kind === undefined ? "a secret" : `a secret (${kind.trim()})`;
}

/** The packages that know the forms of secrets. Pi's loader looks for a package on the disk at each import of it. */
class KnownForms {
  #loading: ReturnType<typeof loadKnownForms> | undefined;

  load(): ReturnType<typeof loadKnownForms> {
    this.#loading ??= loadKnownForms().catch((error: unknown) => {
      // A package that is missing may be there at the next message: somebody is installing it again.
      this.#loading = undefined;
      throw error;
    });
    return this.#loading;
  }
}

const knownForms = new KnownForms();

async function loadKnownForms() {
  const [{ lintSource }, { rules }, { secretLintProfiler }] = await Promise.all([
    import("@secretlint/core"),
    import("@secretlint/secretlint-rule-preset-recommend"),
    import("@secretlint/profiler"),
  ]);
  // It is on unless told otherwise, and keeps 170 entries of each look in the process for ever.
  secretLintProfiler.setEnabled(false);
  return {
    lintSource,
    // That one lets the text itself switch the others off.
    rules: rules
      .filter((rule) => rule.meta.id !== "@secretlint/secretlint-rule-filter-comments")
      .map((rule) => ({ id: rule.meta.id, rule })),
  };
}
