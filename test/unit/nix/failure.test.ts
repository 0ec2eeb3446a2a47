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

  const cache = 'http://127.0.0.1:8301';
  const DEPENDENCY = '/nix/store/q89isr287wvcj8hgd7rliazrbfid0svr-busybox';
  /** What Nix 2.26 and 2.34 say; the first sentence of what a client is told. */
  const said: readonly [what: string, messages: readonly string[], code: StatusCode, sentence: string][] = [
    [
      'an archive that is cut short with status 200',
      [
        `error: unable to download '${cache}/nar/1.nar': HTTP error 200 (curl error: Transferred a partial file)`,
      ],
      'DataLoss',
      `${C} (its dependency ${DEPENDENCY}) cannot be fetched: the archive of ${DEPENDENCY} in the cache ${cache} is missing, ` +
        'damaged or cut short (HTTP error 200 (curl error: Transferred a partial file)); remove it there, push the path again, ' +
        'then pull again',
    ],
    [
      'an archive that is shorter than its description says',
      [`error: NAR for '${C}' fetched from '${cache}' is incomplete`],
      'DataLoss',
      `${C} cannot be fetched: the archive of ${C} in the cache ${cache} is missing, damaged or cut short ` +
        `(NAR is incomplete); remove it there, push the path again, then pull again`,
    ],
    [
      'a store that is read-only',
      ['error: remounting /nix/store writable: Invalid argument'],
      'FailedPrecondition',
      `${C} cannot be fetched from ${cache}: the Nix store is read-only; make it writable (mount -o remount,rw /nix), then pull again`,
    ],
    [
      'a database that is read-only',
      ['error: creating directory "/nix/var/nix/temproots": Read-only file system'],
      'FailedPrecondition',
      `${C} cannot be fetched from ${cache}: the Nix store is read-only; make it writable (mount -o remount,rw /nix), then pull again`,
    ],
    [
      'a daemon that does not run',
      ["error: cannot connect to socket at '/nix/var/nix/daemon-socket/socket': Connection refused"],
      'Unavailable',
      `${C} cannot be fetched from ${cache}: nobody answers on the socket of the Nix daemon ` +
        "(socket at '/nix/var/nix/daemon-socket/socket': Connection refused); start it (systemctl start nix-daemon), then pull again",
    ],
  ];
  for (const [what, messages, code, sentence] of said) {
    it(`says so of ${what}`, () => {
      const downloads = new Map([[`${cache}/nar/1.nar`, DEPENDENCY]]);
      const record = { ...empty, substituters: [], messages, downloads };
      const error = realiseFailure([C], exit, record, { configured: [cache] });
      assert.equal(error.code, code);
      assert.equal(error.message.split(' [troubleshooting: ')[0], sentence);
    });
  }

  const refused = `warning: ignoring substitute for '${C}' from '${cache}', as it's not signed by any of the keys in 'trusted-public-keys'`;
  it('tells a path without a signature from one that the wrong key signed', () => {
    const record = { ...empty, substituters: [cache], messages: [refused] };
    const unsigned = realiseFailure([C], exit, record, { signers: [] }).message;
    assert.ok(
      unsigned.startsWith(`${C} cannot be fetched: in the cache ${cache} it has no signature;`),
      unsigned,
    );
    const wrong = realiseFailure([C], exit, record, { signers: ['a-1', 'b-1'] }).message;
    assert.ok(wrong.includes(`in the cache ${cache} its signature (a-1 and b-1) is by no key`), wrong);
  });

  it('tells a cache that Nix did not ask from one that has not got it', () => {
    const record = { ...empty, unknownPaths: [C] };
    const { message } = realiseFailure([C], exit, record, { configured: [cache], unasked: [cache] });
    assert.ok(
      message.startsWith(`${C} cannot be fetched: Nix remembers that the cache ${cache} had not got it`),
    );
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
