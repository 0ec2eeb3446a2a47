import { describeBackends } from './nix-store/describe-backend.ts';

describeBackends({ trixie: ['socket'], sid: ['nix-store', 'stdio'] });
