import { expect } from '../expect.ts';
import type { DownloadMeter } from '../measure.ts';
import type { NodeShell } from '../node-shell.ts';
import { inContainer, REDIS_CONTAINER, runContainer } from './containers.ts';
import { loadImage } from './load.ts';
import type { DemoImages } from './images.ts';

/** Loads the redis image, starts it and talks to it. */
export async function runRedis(shell: NodeShell, images: DemoImages, meter: DownloadMeter): Promise<void> {
  await loadImage(shell, images.redis, meter);
  const flags = ['--detach', '--log-uri', 'file:///var/log/redis.log'];
  await shell.quietly(runContainer(flags, images.redis.name, REDIS_CONTAINER));
  await untilRedisAnswers(shell);
  for (const [command, answer] of [
    ['ping', 'PONG'],
    ['set greeting hello', 'OK'],
    ['get greeting', 'hello'],
  ] as const) {
    const { stdout } = await shell.run(inContainer('redis-cli', ...command.split(' ')));
    expect(stdout === answer, `redis-cli ${command} answered ${JSON.stringify(stdout)}, not ${answer}`);
  }
}

async function untilRedisAnswers(shell: NodeShell): Promise<void> {
  const poll = 'until redis-cli ping > /dev/null 2>&1; do sleep 0.02; done';
  await shell.node.exec(inContainer('sh', '-c', poll), { timeout: 20_000 });
}
