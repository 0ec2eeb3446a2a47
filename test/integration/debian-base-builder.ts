// `node debian-base-builder.ts NAME MODE`: builds a small base folder in a process of its own, so that it can be
// killed or raced. MODE `no-network` points it at an archive that is not there.
import { messageOf } from '../../src/errors.ts';
import { baseFolder } from '../sandbox/debian-base.ts';

const [name = '', mode] = process.argv.slice(2);
if (mode === 'no-network') process.env['NIX_SNAPSHOTTER_DEBIAN_MIRROR'] = 'http://127.0.0.1:9/debian';
try {
  const { versions } = await baseFolder({ name, suite: 'trixie', packages: ['tini'] }, console.log);
  console.log(versions['tini'] === undefined ? 'tini is missing' : 'tini installed');
} catch (error) {
  console.log(messageOf(error));
}
