import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { describe, it } from 'node:test';
import type { StatusCode } from '../../../src/errors.ts';
import { realiseFailure } from '../../../src/nix/failure.ts';
import { substituterAnswers, withoutPasswords } from '../../../src/nix/substituter-answers.ts';
import { RealiseLog, type RealiseRecord } from '../../../src/nix/realise-log.ts';

/**
 * Real stderr of `nix-store --realise --log-format internal-json` of Debian's Nix, by version; of the progress lines
 * only some are kept.
 */
const RECORDED = new URL('recorded/', import.meta.url);
const C = '/nix/store/lkcs9vsl15gl0yssw6cw1k2y8wp2b10h-c';
const MISSING = '/nix/store/00000000000000000000000000000000-missing';
const LONE = '/nix/store/42wcwxj4p56xy67z383a336iih2lh324-lone';

const cases: readonly [name: string, paths: readonly string[], code: StatusCode, says: RegExp][] = [
  [
    'sig',
    [C],
    'PermissionDenied',
    /in the cache http:\/\/127\.0\.0\.1:830\d its signature \(unknown\) is by no key/,
  ],
  [
    'missing',
    [MISSING],
    'FailedPrecondition',
    /no cache has it \(http:\/\/127\.0\.0\.1:830\d: has not got it\); push the path/,
  ],
  ['missing2', [LONE, MISSING], 'FailedPrecondition', /\(of 2 paths\) cannot be fetched: no cache has it/],
  ['nosubst', [C], 'FailedPrecondition', /Nix has no cache to ask; name one/],
  [
    'down',
    [C],
    'Unavailable',
    /the cache http:\/\/127\.0\.0\.1:1 is down or fails \(Could not connect to server/,
  ],
  [
    'downandmissing',
    [MISSING],
    'Unavailable',
    /127\.0\.0\.1:1 is down or fails \(Could not connect to server\).*:830\d: has not got it/,
  ],
  ['401', [C], 'FailedPrecondition', /no cache has it/],
  ['404', [C], 'FailedPrecondition', /no cache has it/],
  ['500', [C], 'Unavailable', /:830\d is down or fails \(HTTP error 500/],
  ['nar500', [C], 'Unavailable', /:830\d: HTTP error 500/],
  ['nar404', [C], 'DataLoss', /:830\d is missing, damaged or cut short/],
  ['enospc', [C], 'ResourceExhausted', /disk of the Nix store is full/],
];

for (const version of readdirSync(RECORDED)) {
  describe(`failures of Nix ${version}`, () => {
    for (const [name, paths, code, says] of cases) {
      it(`${name} is ${code}`, () => {
        const error = realiseFailure(paths, { exitCode: 1, signal: undefined }, recorded(version, name));
        assert.equal(error.code, code, error.message);
        assert.match(error.message, says);
        const blamed = name.startsWith('missing') || name === 'downandmissing' ? MISSING : C;
        assert.ok(error.message.startsWith(blamed), error.message);
        assert.doesNotMatch(error.message, /\p{Cc}|\[\d*m/u);
        assert.ok(error.message.length < 4000);
      });
    }

    it('reads the progress of a success', () => {
      const log = logOf(version, 'success');
      const { pathsTotal, bytesTotal, bytesDone, substituters } = log.progress();
      assert.equal(pathsTotal, 3);
      assert.equal(bytesTotal, 602072);
      assert.ok(bytesDone > 0 && bytesDone <= bytesTotal);
      assert.equal(substituters.length, 1);
    });
  });
}

describe('failure messages', () => {
  const empty: RealiseRecord = {
    messages: [],
    builderLines: [],
    substituters: [],
    unknownPaths: [],
    httpStatus: new Map(),
    downloads: new Map(),
  };
  const exit = { exitCode: 1, signal: undefined };

  it('tells a cache that wants credentials by its HTTP status', () => {
    const error = realiseFailure([C], exit, {
      ...empty,
      substituters: ['https://cache.example'],
      unknownPaths: [C],
      httpStatus: new Map([['https://cache.example/lkcs9vsl15gl0yssw6cw1k2y8wp2b10h.narinfo', 401]]),
    });
    assert.equal(error.code, 'PermissionDenied');
    assert.match(error.message, /the cache https:\/\/cache\.example asks for a login \(HTTP 401\)/);
    assert.match(error.message, /netrc-file/);
  });

  it('hides credentials in the address of a cache', () => {
    const answers = substituterAnswers({
      ...empty,
      substituters: ['https://user:secret@cache.example/a?key=secret'],
    });
    assert.deepEqual(answers, [{ substituter: 'https://cache.example/a', answer: 'has not got it' }]);
  });

  it('hides passwords with quotes and signs in them, and nothing else', () => {
    for (const password of ["it's", 'p@ss', 'a"b', ':::']) {
      const { message } = realiseFailure([C], exit, {
        ...empty,
        messages: [`error: unable to download 'https://bob:${password}@cache.example/x': no route to host`],
      });
      assert.ok(!message.includes(password) && message.includes('https://cache.example'), message);
    }
    const harmless = "https://a.example/b@c 'https://d.example' me@e.example";
    assert.equal(withoutPasswords(harmless), harmless);
  });

  it('names the end of a process that said nothing', () => {
    const killed = realiseFailure([C], { exitCode: undefined, signal: 'SIGKILL' }, empty);
    assert.equal(killed.code, 'Internal');
    assert.match(killed.message, /signal SIGKILL/);
  });

  it('says that the daemon is down', () => {
    const error = realiseFailure([C], exit, {
      ...empty,
      messages: [
        "error: cannot connect to socket at '/nix/var/nix/daemon-socket/socket': Connection refused",
      ],
    });
    assert.equal(error.code, 'Unavailable');
    assert.match(error.message, /start nix-daemon/);
  });

  it('repeats no password that stands in an address', () => {
    const { message } = realiseFailure([C], exit, {
      ...empty,
      substituters: ['https://bob:hunter2@cache.example.org'],
      messages: [
        "warning: 'https://bob:hunter2@cache.example.org' does not appear to be a binary cache",
        "error: unable to download 'https://bob:hunter2@cache.example.org/nix-cache-info': no route to host",
      ],
    });
    assert.doesNotMatch(message, /hunter2|bob/);
    assert.match(message, /https:\/\/cache\.example\.org: no route to host/);
  });

  it('takes no word of a path for what is wrong', () => {
    const path = `/nix/store/${'0'.repeat(32)}-decompress-truncated-1.0`;
    const messages = [`error: path '${path}' is required, but there is no substituter that can build it`];
    const facts = { configured: ['https://cache.example'] };
    const { code, message } = realiseFailure([path], exit, { ...empty, messages }, facts);
    assert.equal(code, 'FailedPrecondition', message);
    assert.match(message, /no cache has it/);
  });

  it('calls damaged content data loss', () => {
    const messages = [`error: hash mismatch importing path '${C}';`];
    assert.equal(realiseFailure([C], exit, { ...empty, messages }).code, 'DataLoss');
  });
});

function recorded(version: string, name: string): RealiseRecord {
  return logOf(version, name).record();
}

function logOf(version: string, name: string): RealiseLog {
  const log = new RealiseLog();
  const text = readFileSync(new URL(`${version}/${name}.stderr`, RECORDED), 'utf8');
  for (const line of text.split('\n')) log.add(line);
  return log;
}
