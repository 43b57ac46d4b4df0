import { motoPython } from './moto.ts';
import { requirePrerequisites } from './prerequisites.ts';
import { stubRepository } from './repository.ts';
import { rootFileSystem } from './root.ts';

/** Installs and builds once what every bed needs, so that no test waits for it. Where all is there, it takes a moment. */
requirePrerequisites();
await stubRepository();
await motoPython();
await rootFileSystem();
