import { StatusError } from '../errors.ts';

/** A command line that makes no sense; the program ends with code 2. */
export class UsageError extends StatusError {
  constructor(message: string) {
    super('InvalidArgument', message);
  }
}
