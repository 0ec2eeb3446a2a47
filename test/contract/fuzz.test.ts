import { TARGETS } from '../fuzz/targets.ts';
import { describeFuzzing } from './fuzz/describe.ts';

/** What most of an untrusted image or request goes through. */
const FIRST = ['filters', 'labels', 'daemonProtocol', 'layerTars', 'manifests', 'references'];
const others = Object.keys(TARGETS).filter((name) => !FIRST.includes(name));

// Always the same seed, so that what fails is the change that is tested; fuzz.full.ts looks for what is new.
describeFuzzing({ targets: FIRST, seconds: 30, seed: 1 });
describeFuzzing({ targets: others, seconds: 5, seed: 1 });
