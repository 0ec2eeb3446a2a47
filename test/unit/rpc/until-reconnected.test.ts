import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { StatusError } from '../../../src/errors.ts';
import { untilReconnected } from '../../../src/rpc/until-reconnected.ts';

const DIALLED =
  'connection error: desc = "transport: Error while dialing: dial unix:///run/nix-snapshotter/nix-snapshotter.sock: timeout": unavailable';

describe('untilReconnected', () => {
  it('asks again while containerd has no connection to the plugin', async () => {
    const answers = [new StatusError('Unavailable', DIALLED), new StatusError('Unknown', DIALLED), 'there'];
    const asked = await untilReconnected(() => {
      const answer = answers.shift();
      return answer instanceof StatusError ? Promise.reject(answer) : Promise.resolve(answer);
    });
    assert.equal(asked, 'there');
  });

  it('raises at once what the plugin itself answers, Unavailable too', async () => {
    let asked = 0;
    const refuse = () => {
      asked += 1;
      return Promise.reject(new StatusError('Unavailable', 'the cache http://127.0.0.1:9 is down or fails'));
    };
    await assert.rejects(untilReconnected(refuse), { code: 'Unavailable' });
    assert.equal(asked, 1);
  });

  it('ends when it is told to', async () => {
    const away = () => Promise.reject(new StatusError('Unavailable', DIALLED));
    await assert.rejects(untilReconnected(away, AbortSignal.abort()), { name: 'AbortError' });
  });
});
