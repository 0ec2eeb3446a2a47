/** What is shown in place of the token. */
export function hiddenToken(tokenFile: string): string {
  return `<the text of ${tokenFile}>`;
}

/** What is shown in place of any other secret; quoted, so that the text stays TOML, JSON or YAML. */
const NOT_SHOWN = '"<not shown>"';

/** A key that holds a secret: of `auth.json`, `registries.yaml`, a table of containerd's registries, an HTTP header. */
const KEY = String.raw`(?<![\w.-])["']?[\w.-]*(?:auth|password|token|secret|authorization|cookie)["']?`;
/** In JSON and YAML the value may come on the next line, where another key is no value. */
const SEPARATOR = String.raw`[ \t]*[:=](?:[ \t]*|[ \t\r]*\n\s*(?!["']?[\w.-]+["']?[ \t]*[:=]))`;
/** Quoted, a list, a block of YAML, or plain: then all of the line. */
const VALUE = [
  String.raw`"""[^]*?"""`,
  String.raw`'''[^]*?'''`,
  String.raw`"(?:[^"\\]|\\.)*"`,
  String.raw`'(?:[^']|'')*'`,
  String.raw`\[[^\]]*\]`,
  String.raw`[>|][-+\d]*[ \t]*(?:\n[ \t]+[^\n]*)+`,
  String.raw`[^\s"'{[][^\n]*`,
].join('|');
const SECRET = new RegExp(`(?<key>${KEY}${SEPARATOR})(?<value>${VALUE})`, 'gi');

/**
 * Leaves secrets out of configuration files that are shown: the daemon's token, as it is and as part of a password, and whatever
 * is the value of a key such as `auth` or `password`.
 *
 * @param token undefined where there is none.
 */
export function secretHider(token: string | undefined, tokenFile: string): (text: string) => string {
  const hidden = hiddenToken(tokenFile);
  const hiddenBasic = `<base64 of nix-snapshotter:${hidden}>`;
  const ours = new Set([hidden, hiddenBasic, `Bearer ${hidden}`]);
  const withoutToken = (text: string) => {
    if (token === undefined || token === '') return text;
    const basic = Buffer.from(`nix-snapshotter:${token}`).toString('base64');
    return text.replaceAll(token, hidden).replaceAll(basic, hiddenBasic);
  };
  return (text) =>
    withoutToken(text).replaceAll(SECRET, (found: string, key: string, value: string) =>
      ours.has(value.trim().replace(/^"(.*)"$/, '$1')) ? found : `${key}${NOT_SHOWN}`,
    );
}
