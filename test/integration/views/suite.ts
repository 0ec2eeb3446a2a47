import { after, before, describe } from 'node:test';
import type { ViewRow } from '../support/matrix.ts';
import { clients } from './clients.ts';
import { contents } from './contents.ts';
import { layers } from './layers.ts';
import { life } from './life.ts';
import { pods } from './pods.ts';
import { Subject } from './subject.ts';
import { writes } from './writes.ts';

/** The properties of views that one node with containerd shows, asked one after the other. */
export function viewSuite(row: ViewRow): void {
  describe(`closures in containers, on containerd ${row.title}`, { skip: row.skip }, () => {
    let up: Subject | undefined;
    before(async () => {
      up = await Subject.up(row);
    });
    after(async () => await up?.down());
    const subject = () => {
      if (up === undefined) throw new Error('the node is not up');
      return up;
    };
    contents(row, subject);
    writes(row, subject);
    layers(row, subject);
    clients(row, subject);
    pods(row, subject);
    life(subject);
  });
}
