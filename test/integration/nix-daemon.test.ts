import { describeBackends } from './nix-store/describe-backend.ts';

describeBackends({ trixie: ['stdio'], sid: ['socket'] });
