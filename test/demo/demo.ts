import { writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Bed } from '../bed/boot.ts';
import { requirePrerequisites } from '../bed/prerequisites.ts';
import { agentLog, bootWithProduct, productRpm } from '../bed/product.ts';
import {
  checkBucket,
  checkSums,
  installAndStart,
  partnersAppear,
  printFootprint,
  revokeAKey,
  uploadAndRefuse,
} from './chapters.ts';
import { killTheAgent, loseTheMount } from './chapters-faults.ts';
import { createNarrator } from './narrator.ts';
import { createStory } from './story.ts';

/** `npm run demo`: the main job, told as a story with checks, on a throw-away host. Exits 1 when a check fails. */

const narrator = createNarrator((text) => process.stdout.write(text));
const LOG = join(tmpdir(), 's3files-sftp-demo.log');
const began = performance.now();
let bed: Bed | undefined;
process.once('SIGINT', () => process.exit(130));

try {
  requirePrerequisites();
  narrator.note(
    'Building the RPM from these sources, and booting a host with systemd, sshd and dnf of its own.',
  );
  narrator.note('The first time on a machine this builds a root file system, which takes a few minutes.');
  const rpm = await productRpm();
  bed = await bootWithProduct(rpm);
  const story = await createStory(bed, narrator);

  await narrator.step('An operator installs the RPM with dnf and starts the agent', () =>
    installAndStart(story),
  );
  await narrator.step('Two partners appear from secrets', () => partnersAppear(story));
  await narrator.step('They upload, and are refused what they may not do', () => uploadAndRefuse(story));
  await narrator.step('Every completed file is in the bucket, byte for byte', () => checkBucket(story));
  await narrator.step('A key is revoked', () => revokeAKey(story));
  await narrator.step('The mount hangs in the middle of an upload', () => loseTheMount(story, 'hang'));
  await narrator.step('The mount dies in the middle of an upload', () => loseTheMount(story, 'death'));
  await narrator.step('The agent is killed with kill -9 during an upload', () => killTheAgent(story));
  await narrator.step('CloudWatch’s sums are the truth', async () => {
    await checkBucket(story);
    await checkSums(story);
  });
  await narrator.step('What it takes', () => printFootprint(story));
} catch (error) {
  narrator.check(
    'the story could be told to its end',
    false,
    error instanceof Error ? error.message : String(error),
  );
} finally {
  if (bed !== undefined && narrator.score().broken > 0) await keepLog(bed);
  await bed?.shutdown();
}

const { kept, broken } = narrator.score();
const seconds = ((performance.now() - began) / 1000).toFixed(0);
process.stdout.write(`\n${kept} promises kept, ${broken} broken, in ${seconds} s\n`);
process.exit(broken === 0 ? 0 : 1);

/** Leaves the agent's whole log behind when a promise was broken. */
async function keepLog(failed: Bed): Promise<void> {
  await writeFile(LOG, await agentLog(failed, 100_000));
  narrator.note(`the agent's log is in ${LOG}`);
}
