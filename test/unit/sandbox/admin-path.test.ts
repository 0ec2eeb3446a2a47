import assert from 'node:assert/strict';
import { it } from 'node:test';
import { adminPath } from '../../sandbox/admin-path.ts';

it('adds the administrator’s folders after the caller’s own', () => {
  assert.equal(adminPath({ PATH: '/opt/bin:/bin' }).PATH, '/opt/bin:/bin:/usr/local/sbin:/usr/sbin:/sbin');
  assert.equal(adminPath({}).PATH, '/usr/bin:/bin:/usr/local/sbin:/usr/sbin:/sbin');
});
