import { describeBackends } from './nix-store/describe-backend.ts';

describeBackends({ trixie: ['nix-store'], sid: [] });
