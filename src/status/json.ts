import type { StatusResponse } from '../../proto/gen/messages.ts';

/** A report for programs: counts as numbers (they are far below 2^53), times as ISO text. */
export function jsonOf(answer: StatusResponse): unknown {
  return JSON.parse(
    JSON.stringify(answer, (_, value: unknown) => {
      if (typeof value === 'bigint') return Number(value);
      if (isTimestamp(value)) return new Date(Number(value.seconds) * 1000 + value.nanos / 1e6).toISOString();
      return value;
    }),
  );
}

function isTimestamp(value: unknown): value is { seconds: bigint; nanos: number } {
  return typeof value === 'object' && value !== null && 'seconds' in value && 'nanos' in value;
}
