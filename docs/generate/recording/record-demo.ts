import { writeFile } from 'node:fs/promises';
import { formatCast, record } from './cast.ts';
import { renderRecording, RECORDING } from './recording.ts';

/** `npm run demo:record`: runs the demo, and keeps what it shows, as it was and as a picture. */
await writeFile(RECORDING.cast, formatCast(await record(process.execPath, ['examples/demo/demo.ts'])));
await writeFile(RECORDING.picture, await renderRecording());
