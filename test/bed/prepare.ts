import { requirePrerequisites } from './prerequisites.ts';
import { motoPython, pythonWithParamiko } from './python.ts';
import { stubRepository } from './repository.ts';
import { rootFileSystem } from './root.ts';

/** Installs and builds once what every bed needs, so that no test waits for it. Where all is there, it takes a moment. */
requirePrerequisites();
await stubRepository();
await motoPython();
await pythonWithParamiko();
await rootFileSystem();
