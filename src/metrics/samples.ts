import type { MetricDefinition } from './definitions.ts';

/** One line of an exposition. */
export interface Sample {
  /** What follows the family's name: '' of a gauge, `_bucket` of a histogram. */
  readonly suffix: string;
  readonly labels: readonly (readonly [name: string, value: string])[];
  readonly value: number;
}

/** A metric with its values at one moment. */
export interface Family {
  readonly definition: MetricDefinition;
  readonly samples: readonly Sample[];
}

type Values<Label extends string> = Readonly<Record<Label, string>>;

/** A family of one value for each set of label values. */
export function family<Label extends string>(
  definition: MetricDefinition<Label>,
  values: Iterable<readonly [value: number, labels: Values<Label>]>,
): Family {
  const samples = Array.from(values, ([value, labels]) => ({
    suffix: '',
    labels: pairs(definition, labels),
    value,
  }));
  return { definition, samples };
}

/** A sum that grows, for each set of label values. */
export class Counter<Label extends string> {
  readonly definition: MetricDefinition<Label>;
  readonly #values = new Map<string, { readonly labels: Sample['labels']; value: number }>();

  constructor(definition: MetricDefinition<Label>) {
    this.definition = definition;
    if (definition.labels.length === 0) this.add(0, {} as Values<Label>);
  }

  /** @param amount 0 shows that there is such a thing, so that its first increase is one. */
  add(amount: number, labels: Values<Label>): void {
    const found = pairs(this.definition, labels);
    const key = keyOf(found);
    const known = this.#values.get(key);
    if (known === undefined) this.#values.set(key, { labels: found, value: amount });
    else known.value += amount;
  }

  family(): Family {
    const samples = [...this.#values.values()].map((each) => ({ suffix: '', ...each }));
    return { definition: this.definition, samples };
  }
}

interface Distribution {
  readonly labels: Sample['labels'];
  /** How many values lie in each bucket, and not in the one before; the last has no bound. */
  readonly counts: number[];
  sum: number;
}

/** How often values were how large, for each set of label values. */
export class Histogram<Label extends string> {
  readonly definition: MetricDefinition<Label>;
  readonly #bounds: readonly number[];
  readonly #values = new Map<string, Distribution>();

  constructor(definition: MetricDefinition<Label>) {
    this.definition = definition;
    this.#bounds = definition.buckets ?? [];
    if (definition.labels.length === 0) this.#of({} as Values<Label>);
  }

  observe(value: number, labels: Values<Label>): void {
    const distribution = this.#of(labels);
    const at = this.#bounds.findIndex((bound) => value <= bound);
    const bucket = at < 0 ? this.#bounds.length : at;
    distribution.counts[bucket] = (distribution.counts[bucket] ?? 0) + 1;
    distribution.sum += value;
  }

  family(): Family {
    const samples: Sample[] = [];
    for (const { labels, counts, sum } of this.#values.values()) {
      let count = 0;
      for (const [at, bound] of [...this.#bounds, Number.POSITIVE_INFINITY].entries()) {
        count += counts[at] ?? 0;
        samples.push({ suffix: '_bucket', labels: [...labels, ['le', numberText(bound)]], value: count });
      }
      samples.push({ suffix: '_sum', labels, value: sum }, { suffix: '_count', labels, value: count });
    }
    return { definition: this.definition, samples };
  }

  #of(labels: Values<Label>): Distribution {
    const found = pairs(this.definition, labels);
    const key = keyOf(found);
    const known = this.#values.get(key);
    if (known !== undefined) return known;
    const made = { labels: found, counts: [...this.#bounds, 0].map(() => 0), sum: 0 };
    this.#values.set(key, made);
    return made;
  }
}

/** A number as both formats take it; bounds of buckets are written the same in both, as OpenMetrics demands: `1.0`. */
export function numberText(value: number): string {
  if (value === Number.POSITIVE_INFINITY) return '+Inf';
  return Number.isInteger(value) && Math.abs(value) < 1e15 ? `${value}.0` : String(value);
}

function pairs<Label extends string>(
  { labels }: MetricDefinition<Label>,
  values: Values<Label>,
): Sample['labels'] {
  return labels.map((label) => [label, values[label]] as const);
}

function keyOf(labels: Sample['labels']): string {
  return labels.map(([, value]) => value).join('\0');
}
