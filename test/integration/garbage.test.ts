import { garbageSuite } from './garbage/suite.ts';
import { matrix } from './support/matrix.ts';

for (const row of await matrix(['2.4'], ['nerdctl', 'nix2container'])) garbageSuite(row, 40);
