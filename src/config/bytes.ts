const UNITS: Readonly<Record<string, number>> = {
  B: 1,
  kB: 1e3,
  MB: 1e6,
  GB: 1e9,
  TB: 1e12,
  KiB: 2 ** 10,
  MiB: 2 ** 20,
  GiB: 2 ** 30,
  TiB: 2 ** 40,
};

/** Bytes, written as `500MB`, `2GiB` or `1.5TiB`; undefined for any other text. */
export function parseBytes(text: string): number | undefined {
  const match = /^(\d{1,15}(?:\.\d{1,3})?) ?([kKMGT]?i?B)$/.exec(text);
  const unit = UNITS[match?.[2] ?? ''];
  if (match === null || unit === undefined) return undefined;
  const bytes = Math.round(Number(match[1]) * unit);
  return Number.isSafeInteger(bytes) ? bytes : undefined;
}

/** Bytes for a person: three digits and a binary unit. */
export function formatBytes(bytes: number): string {
  const [name, unit] = (['TiB', 'GiB', 'MiB', 'KiB'] as const)
    .map((each) => [each, UNITS[each] ?? 1] as const)
    .find(([, size]) => bytes >= size) ?? ['B', 1];
  return `${Number((bytes / unit).toPrecision(3))} ${name}`;
}
