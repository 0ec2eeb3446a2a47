import { StatusError } from '../../src/errors.ts';

/** @throws StatusError Internal: the demo shows only what is so. */
export function expect(holds: boolean, otherwise: string): asserts holds {
  if (!holds) throw new StatusError('Internal', otherwise);
}
