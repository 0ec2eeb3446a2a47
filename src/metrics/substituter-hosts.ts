/** Substituters that have a label of their own; a node has a handful. */
const MAX_HOSTS = 32;
const OTHERS = 'other';

/** What substituters are called in labels: by host, or by kind where there is none. Never with a password, never too many. */
export class SubstituterHosts {
  readonly #labels = new Map<string, string>();
  readonly #hosts = new Set<string>();

  /** @param substituter address as Nix names it: `https://cache.example`, `file:///cache`, `daemon`. */
  labelOf(substituter: string): string {
    const known = this.#labels.get(substituter);
    if (known !== undefined) return known;
    const host = hostOf(substituter);
    if (!this.#hosts.has(host) && this.#hosts.size >= MAX_HOSTS) return OTHERS;
    this.#hosts.add(host);
    if (this.#labels.size < MAX_HOSTS) this.#labels.set(substituter, host);
    return host;
  }
}

function hostOf(substituter: string): string {
  const url = URL.parse(substituter);
  if (url === null) return /^[a-z][a-z0-9-]*$/i.test(substituter) ? substituter.toLowerCase() : OTHERS;
  return url.host === '' ? url.protocol.replace(/:$/, '') : url.host;
}
