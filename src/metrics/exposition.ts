import type { Family, Sample } from './samples.ts';

export type ExpositionFormat = 'text' | 'openmetrics';

/** Media types: https://prometheus.io/docs/instrumenting/exposition_formats/. */
export const MEDIA_TYPES: Readonly<Record<ExpositionFormat, string>> = {
  text: 'text/plain; version=0.0.4; charset=utf-8',
  openmetrics: 'application/openmetrics-text; version=1.0.0; charset=utf-8',
};

const SUFFIX = { counter: /_total$/, info: /_info$/ } as const;

/**
 * Families as text. The formats differ in what a counter and an info are called in HELP and TYPE, in the type of an info, in what
 * is escaped, and in the end. prom-client 15.1.3 cannot serve both: whoever asks it for OpenMetrics takes `_total` from its counters'
 * names in the text format, for good.
 */
export function exposition(families: readonly Family[], format: ExpositionFormat): string {
  const isOpen = format === 'openmetrics';
  const lines: string[] = [];
  for (const { definition, samples } of families) {
    const { name, type, help } = definition;
    const cut = isOpen && (type === 'counter' || type === 'info') ? SUFFIX[type] : undefined;
    const title = cut === undefined ? name : name.replace(cut, '');
    lines.push(`# HELP ${title} ${escape(help, isOpen)}`);
    lines.push(`# TYPE ${title} ${type === 'info' && !isOpen ? 'gauge' : type}`);
    for (const sample of samples) lines.push(line(name, sample));
  }
  if (isOpen) lines.push('# EOF');
  return `${lines.join('\n')}\n`;
}

/** The format to answer with, by a request's Accept header: OpenMetrics where it is asked for, and nothing is liked better. */
export function formatFor(accept = ''): ExpositionFormat {
  const liked = { open: 0, text: 0 };
  for (const range of accept.split(',')) {
    const [type = '', ...parameters] = range.split(';').map((part) => part.trim().toLowerCase());
    const quality = Number(parameters.find((each) => each.startsWith('q='))?.slice('q='.length) ?? 1) || 0;
    const version = parameters.find((each) => each.startsWith('version=')) ?? OPEN_VERSION;
    if (type === OPEN_METRICS && version === OPEN_VERSION) liked.open = Math.max(liked.open, quality);
    if (type === 'text/plain') liked.text = Math.max(liked.text, quality);
  }
  return liked.open > 0 && liked.open >= liked.text ? 'openmetrics' : 'text';
}

const OPEN_METRICS = 'application/openmetrics-text';
const OPEN_VERSION = 'version=1.0.0';

function line(name: string, { suffix, labels, value }: Sample): string {
  const text = labels.map(([label, labelValue]) => `${label}="${escape(labelValue, true)}"`).join(',');
  return `${name}${suffix}${text === '' ? '' : `{${text}}`} ${valueText(value)}`;
}

function valueText(value: number): string {
  if (Number.isFinite(value)) return String(value);
  return Number.isNaN(value) ? 'NaN' : value > 0 ? '+Inf' : '-Inf';
}

function escape(text: string, quotes: boolean): string {
  const escaped = text.replaceAll('\\', String.raw`\\`).replaceAll('\n', String.raw`\n`);
  return quotes ? escaped.replaceAll('"', String.raw`\"`) : escaped;
}
