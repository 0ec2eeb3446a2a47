import { parseArgs } from 'node:util';

export const CONTAINERDS = ['1.7', '2.1', '2.2', '2.3', '2.4'] as const;

export const USAGE = `npm run soak -- [options]
  --minutes N        how long clients pull, run and remove, 5 unless told; a part such as 0.5 will do
  --clients N        clients at a time, 8 unless told
  --containerd WHICH ${CONTAINERDS.join(', ')}; 2.3 unless told
`;

export interface SoakOptions {
  readonly minutes: number;
  readonly clients: number;
  readonly containerd: (typeof CONTAINERDS)[number];
  readonly help: boolean;
}

/**
 * Reads the arguments of the soak.
 *
 * @throws Error that names the option for one that makes no sense.
 */
export function parseOptions(args: readonly string[]): SoakOptions {
  const { values } = parseArgs({
    args: [...args],
    options: {
      minutes: { type: 'string', default: '5' },
      clients: { type: 'string', default: '8' },
      containerd: { type: 'string', default: '2.3' },
      help: { type: 'boolean', default: false },
    },
  });
  const containerd = CONTAINERDS.find((version) => version === values.containerd);
  if (containerd === undefined)
    throw new Error(`--containerd ${values.containerd}: one of ${CONTAINERDS.join(', ')} is expected`);
  const clients = Number(values.clients);
  if (!Number.isInteger(clients) || clients < 2 || clients > 64)
    throw new Error(`--clients ${values.clients}: a number from 2 to 64 is expected`);
  const minutes = Number(values.minutes);
  if (!(minutes > 0 && minutes <= 24 * 60))
    throw new Error(`--minutes ${values.minutes}: more than 0 and at most a day's is expected`);
  return { minutes, clients, containerd, help: values.help };
}
