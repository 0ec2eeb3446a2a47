import { describeBackends } from './nix-store/describe-backend.ts';

describeBackends(['stdio', 'socket']);
