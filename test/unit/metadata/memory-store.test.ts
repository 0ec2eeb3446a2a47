import { MemoryStore } from '../../../src/metadata/memory-store.ts';
import { metadataStoreSuite } from './store-suite.ts';

metadataStoreSuite('memory', () => Promise.resolve(new MemoryStore()), false);
