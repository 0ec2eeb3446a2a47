/** What the schema says of a key. */
export interface SchemaKey {
  readonly default: unknown;
  readonly choices?: readonly string[];
}

/** The keys of the daemon's schema with their defaults, as they are written in a file. */
export function schemaKeys(schema: unknown, path = ''): ReadonlyMap<string, SchemaKey> {
  const { entries } = schema as { readonly entries: Readonly<Record<string, unknown>> };
  return new Map(
    Object.entries(entries).flatMap(([name, entry]): readonly (readonly [string, SchemaKey])[] => {
      const { wrapped, default: value } = entry as { readonly wrapped: object; readonly default: unknown };
      const key = path === '' ? name : `${path}.${name}`;
      if ('entries' in wrapped) return [...schemaKeys(wrapped, key)];
      const choices =
        'options' in wrapped && (wrapped as { type?: string }).type === 'picklist'
          ? { choices: wrapped.options as readonly string[] }
          : {};
      return [[key, { default: value, ...choices }]];
    }),
  );
}
