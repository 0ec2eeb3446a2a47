/** What a registry asks for in `WWW-Authenticate` (RFC 9110, 11.6.1). */
export interface Challenge {
  /** Lower case: `bearer`, `basic`. */
  readonly scheme: string;
  readonly parameters: ReadonlyMap<string, string>;
}

const PARAMETER = /([A-Za-z0-9_-]+)\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s,"]+))\s*,?\s*/y;

/** The first challenge that is `bearer` or `basic`; undefined without one. */
export function parseChallenge(header: string | null): Challenge | undefined {
  const match = /(?:^|,)\s*(bearer|basic)(?:\s+|$)/i.exec(header ?? '');
  if (header === null || match?.[1] === undefined) return undefined;
  const parameters = new Map<string, string>();
  PARAMETER.lastIndex = match.index + match[0].length;
  for (let found = PARAMETER.exec(header); found !== null; found = PARAMETER.exec(header)) {
    parameters.set((found[1] ?? '').toLowerCase(), (found[2] ?? found[3] ?? '').replaceAll(/\\(.)/g, '$1'));
  }
  return { scheme: match[1].toLowerCase(), parameters };
}
